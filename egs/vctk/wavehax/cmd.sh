# Where the jobs of this recipe run: where those of every recipe do, unless you say otherwise below.
# shellcheck shell=bash source=egs/utils/cmd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../utils/cmd.sh"
