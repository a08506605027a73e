#!/usr/bin/env bash
# A drive and a filter with knobs, learned by gray boxes, minutes on a CPU.
#
# Usage: ./run.sh --audio_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 packing and rendering, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe effect_recipe

conf="$recipe/conf/drive.yaml"

run_recipe "$@"
