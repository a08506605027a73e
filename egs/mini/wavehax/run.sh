#!/usr/bin/env bash
# Wavehax on a CPU from any small corpus in LibriTTS layout (subset/speaker/chapter/*.wav|flac).
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
#
# Options of this recipe:
#   --corpus_dir DIR the folder that holds the subsets
#   --train_set LIST subsets for training, separated by commas (default: train-mini)
#   --dev_set LIST   subsets for validation (default: dev-mini)
#   --test_set LIST  subsets for the evaluation (default: test-mini)
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/libritts_data.sh
. "$utils/libritts_data.sh"

n_gpus=0
nj=2
corpus_dir=""
train_set=train-mini
dev_set=dev-mini
test_set=test-mini
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"
corpus_dir="$(absolute_path "$corpus_dir")"

prepare_data() {
  [ -n "$corpus_dir" ] || fail "no corpus; pass --corpus_dir, the folder that holds $train_set"
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; pass --corpus_dir, the folder that holds $train_set"
  prepare_libritts "$corpus_dir" "$train_set" data/train
  prepare_libritts "$corpus_dir" "$dev_set" data/dev
  prepare_libritts "$corpus_dir" "$test_set" data/test
}

run_stages "$@"
