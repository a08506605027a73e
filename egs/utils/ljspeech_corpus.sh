# Options of the LJSpeech recipes:
#   --corpus_dir DIR the folder that holds metadata.csv and wavs
#   --url URL        where the archive comes from
#   --num_dev N      utterances of the validation set, spread evenly
#   --num_test N     utterances of the test set, spread evenly
#   --dev_list FILE  utterances of the validation set instead, one in each line: an id or a path, text after '|'
#   --test_list FILE the same for the test set; neither set is trained on
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: options, download and data preparation of the recipes in egs/ljspeech.
# shellcheck source=egs/utils/download.sh
. "$utils/download.sh"

help_files=("$utils/ljspeech_corpus.sh" "${help_files[@]}")
corpus_dir="$recipe/downloads/LJSpeech-1.1"
url=https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2
num_dev=100
num_test=150
dev_list=""
test_list=""

download_corpus() {
  download_folder "$url" "$(dirname "$corpus_dir")" "$corpus_dir"
}

prepare_data() {
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; run stage -1 to download it, or pass --corpus_dir"
  [ "$num_dev" -ge 1 ] && [ "$num_test" -ge 1 ] || fail "--num_dev $num_dev, --num_test $num_test; both must be at least 1"
  run_job 0 "$nj" data/log/prepare.log ondes prepare ljspeech "$corpus_dir" data/all --nj "$nj"
  choose_utterances data/all data/test "$num_test" "$test_list"
  "$utils/subset_data.sh" --except data/test/utt2spk 0 data/all data/rest
  choose_utterances data/rest data/dev "$num_dev" "$dev_list"
  "$utils/subset_data.sh" --except data/dev/utt2spk 0 data/rest data/train
}
