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

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/music_corpus.sh
. "$utils/music_corpus.sh"
# shellcheck source=egs/utils/generative_recipe.sh
. "$utils/generative_recipe.sh"

conf="$recipe/conf/youtubemix.yaml"
seconds=8.0
corpus_dir=""
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"
corpus_dir="$(absolute_path "$corpus_dir")"

default_checkpoint() {
  best_likelihood
}

prepare_data() {
  prepare_music "$corpus_dir" 8.192 "YouTubeMix: https://huggingface.co/datasets/krandiash/youtubemix, after its owner's conditions"
}

run_stages "$@"
