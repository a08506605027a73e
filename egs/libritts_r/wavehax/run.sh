#!/usr/bin/env bash
# Wavehax on LibriTTS-R, with the configurations of ../../libritts/wavehax.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe libritts_corpus libritts_r_corpus

conf="$recipe/../../libritts/wavehax/conf/v1.yaml"

run_recipe "$@"
