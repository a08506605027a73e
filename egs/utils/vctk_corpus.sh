# Options of the VCTK recipes:
#   --corpus_dir DIR the folder that holds wav48_silence_trimmed and txt
#   --mic NAME       microphone: mic1 or mic2
#   --num_dev N      speakers of the validation set
#   --num_test N     speakers of the test set
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: options and data preparation of the recipes in egs/vctk. Speakers of the three sets differ.
help_files=("$utils/vctk_corpus.sh" "${help_files[@]}")
corpus_dir="$recipe/downloads/VCTK-Corpus-0.92"
mic=mic1
num_dev=4
num_test=4

download_corpus() {
  [ -d "$corpus_dir" ] || fail "VCTK is a zip file behind its licence: unpack VCTK-Corpus-0.92.zip of https://datashare.ed.ac.uk/handle/10283/3443 and pass --corpus_dir"
  echo "$corpus_dir is there"
}

prepare_data() {
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; pass --corpus_dir, the folder with wav48_silence_trimmed and txt"
  [ "$num_dev" -ge 1 ] && [ "$num_test" -ge 1 ] || fail "--num_dev $num_dev, --num_test $num_test; both must be at least 1"
  run_job 0 "$nj" data/log/prepare.log \
    ondes prepare vctk "$corpus_dir" data --mic "$mic" --dev "$num_dev" --test "$num_test" --nj "$nj"
}
