#!/usr/bin/env bash
# The LA-2A recordings of SignalTrain (Zenodo 3824876), learned by the family 'recurrent'.
#
# Usage: ./run.sh --pairs_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 packing and rendering, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe effect_recipe

run_recipe "$@"
