# Options of the LibriTTS recipes:
#   --corpus_dir DIR the folder that holds train-clean-100, dev-clean ...
#   --url URL        where the archives come from
#   --train_set LIST subsets for training, separated by commas
#   --dev_set LIST   subsets for validation
#   --test_set LIST  subsets for the evaluation
#   --num_dev N      utterances of the validation set, spread evenly; 0: all
#   --num_test N     utterances of the test set, spread evenly; 0: all
#   --dev_list FILE  utterances of the validation set instead, one in each line: an id or a path, text after '|'
#   --test_list FILE the same for the test set
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: options, download and data preparation of the recipes in egs/libritts.
# shellcheck source=egs/utils/download.sh
. "$utils/download.sh"
# shellcheck source=egs/utils/libritts_data.sh
. "$utils/libritts_data.sh"

help_files=("$utils/libritts_corpus.sh" "${help_files[@]}")
corpus_dir="$recipe/downloads/LibriTTS"
url=https://www.openslr.org/resources/60
# How archives are named: train-clean-100.tar.gz.
archive_dash=-
train_set=train-clean-100,train-clean-360
dev_set=dev-clean
test_set=test-clean
num_dev=100
num_test=200
dev_list=""
test_list=""

download_corpus() {
  local subset
  local -a subsets
  IFS=", " read -ra subsets <<<"$train_set,$dev_set,$test_set"
  for subset in "${subsets[@]}"; do
    download_folder "$url/${subset//-/$archive_dash}.tar.gz" "$(dirname "$corpus_dir")" "$corpus_dir/$subset"
  done
}

prepare_data() {
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; run stage -1 to download it, or pass --corpus_dir"
  prepare_libritts "$corpus_dir" "$train_set" data/train
  prepare_libritts "$corpus_dir" "$dev_set" data/dev "$num_dev" "$dev_list"
  prepare_libritts "$corpus_dir" "$test_set" data/test "$num_test" "$test_list"
}
