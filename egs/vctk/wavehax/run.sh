#!/usr/bin/env bash
# Wavehax on VCTK at 48 kHz, with the full-band configuration of ../../libritts/wavehax.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe vctk_corpus

conf="$recipe/../../libritts/wavehax/conf/fb.yaml"

run_recipe "$@"
