# Environment of this recipe: that of every recipe, and what you add below.
# shellcheck shell=bash source=egs/utils/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../utils/path.sh"
