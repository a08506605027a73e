# Options of the recipes for small corpora:
#   --corpus_dir DIR the folder that holds the subsets
#   --train_set LIST subsets for training, separated by commas (default: train-mini)
#   --dev_set LIST   subsets for validation (default: dev-mini)
#   --test_set LIST  subsets for the evaluation (default: test-mini)
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: options and data preparation of the recipes in egs/mini, for a CPU.
# shellcheck source=egs/utils/libritts_data.sh
. "$utils/libritts_data.sh"

help_files=("$utils/small_corpus.sh" "${help_files[@]}")
# shellcheck disable=SC2034  # read by vocoder_recipe.sh
n_gpus=0
nj=2
corpus_dir=""
train_set=train-mini
dev_set=dev-mini
test_set=test-mini

prepare_data() {
  [ -n "$corpus_dir" ] || fail "no corpus; pass --corpus_dir, the folder that holds $train_set"
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; pass --corpus_dir, the folder that holds $train_set"
  prepare_libritts "$corpus_dir" "$train_set" data/train
  prepare_libritts "$corpus_dir" "$dev_set" data/dev
  prepare_libritts "$corpus_dir" "$test_set" data/test
}
