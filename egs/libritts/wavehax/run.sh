#!/usr/bin/env bash
# Wavehax on LibriTTS.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
#
# Options of this recipe:
#   --corpus_dir DIR the folder that holds train-clean-100, dev-clean ... (also LibriTTS-R)
#   --url URL        where the archives come from
#   --train_set LIST subsets for training, separated by commas
#   --dev_set LIST   subsets for validation
#   --test_set LIST  subsets for the evaluation
#   --num_dev N      utterances of the validation set, spread evenly; 0: all
#   --num_test N     utterances of the test set, spread evenly; 0: all
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/libritts_data.sh
. "$utils/libritts_data.sh"

conf="$recipe/conf/v1.yaml"
corpus_dir="$recipe/downloads/LibriTTS"
url=https://www.openslr.org/resources/60
train_set=train-clean-100,train-clean-360
dev_set=dev-clean
test_set=test-clean
num_dev=100
num_test=200
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"
corpus_dir="$(absolute_path "$corpus_dir")"

download_corpus() {
  local sets="$train_set $dev_set $test_set"
  # shellcheck disable=SC2086  # a list
  download_libritts "$url" "$corpus_dir" ${sets//,/ }
}

prepare_data() {
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; run stage -1 to download it, or pass --corpus_dir"
  prepare_libritts "$corpus_dir" "$train_set" data/train
  prepare_libritts "$corpus_dir" "$dev_set" data/dev "$num_dev"
  prepare_libritts "$corpus_dir" "$test_set" data/test "$num_test"
}

run_stages "$@"
