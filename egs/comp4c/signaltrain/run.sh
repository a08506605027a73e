#!/usr/bin/env bash
# The compressor comp_4c, learned by SignalTrain, the baseline.
#
# Usage: ./run.sh --audio_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 packing and rendering, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe effect_recipe

run_recipe "$@"
