#!/usr/bin/env bash
# The LA-2A recordings of SignalTrain (Zenodo 3824876), learned by the family 'recurrent'.
#
# Usage: ./run.sh --pairs_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 packing and rendering, 4 evaluation, 5 packing.
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/effect_recipe.sh
. "$utils/effect_recipe.sh"
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"

run_stages "$@"
