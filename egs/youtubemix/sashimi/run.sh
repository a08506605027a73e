#!/usr/bin/env bash
# SaShiMi on YouTubeMix: piano, 16 kHz.
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing.
# Stages 3 to 5 take the best checkpoint in validation, or --checkpoint.
#
# Options of this recipe:
#   --corpus_dir DIR the folder of the corpus: files of a minute, cut into pieces of 8.192 s
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe generative_recipe music_corpus

conf="$recipe/conf/youtubemix.yaml"
piece=8.192
corpus_name="YouTubeMix: https://huggingface.co/datasets/krandiash/youtubemix, after its owner's conditions"

run_recipe "$@"
