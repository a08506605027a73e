#!/usr/bin/env bash
# SaShiMi on LibriTTS at 16 kHz: speech without text, or the continuation of a prompt.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe libritts_corpus generative_recipe

conf="$recipe/conf/sashimi.yaml"
seconds=4.0

run_recipe "$@"
