#!/usr/bin/env bash
# Your own device: learn it from recorded pairs of dry and wet audio.
#
# Usage: ./run.sh --pairs_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 packing and rendering, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe effect_recipe

run_recipe "$@"
