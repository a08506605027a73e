# Data preparation of music: files in natural order, 88 % of them for training, 6 % for validation, 6 % for the test.
# shellcheck shell=bash disable=SC2154

# Sourced after generative_recipe.sh. The recipe sets `corpus_name` and `piece`, the seconds of a piece: files are cut
# into consecutive pieces, and what is left over at the end of a file is dropped.
# shellcheck disable=SC2034  # read by vocoder_recipe.sh
seconds=8.0
corpus_dir=""

default_checkpoint() {
  best_likelihood
}

prepare_data() {
  local set
  [ -n "$corpus_dir" ] || fail "no corpus; pass --corpus_dir, the unpacked $corpus_name"
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; pass --corpus_dir, the unpacked $corpus_name"
  run_job 0 "$nj" data/log/prepare.log ondes prepare folder "$corpus_dir" data/all --speaker piano --nj "$nj"
  for set in train dev test; do
    rm -rf "data/$set"
    mkdir -p "data/$set"
  done
  # Natural order: 2 before 10.
  sort -V data/all/utt2dur | awk -v piece="$piece" '
    { id[NR] = $1; seconds[NR] = $2 }
    END {
      first = int(NR * 0.88 + 1e-9); second = int(NR * 0.94 + 1e-9)
      for (i = 1; i <= NR; i++) {
        folder = "data/" (i <= first ? "train" : i <= second ? "dev" : "test")
        # A file that lacks a few samples of the last piece keeps it.
        count = int(seconds[i] / piece + 0.01)
        for (n = 0; n < count; n++) {
          name = sprintf("%s-%04d", id[i], n)
          end = (n + 1) * piece < seconds[i] ? (n + 1) * piece : seconds[i]
          printf "%s %s %.6f %.6f\n", name, id[i], n * piece, end > (folder "/segments")
          print name, "piano" > (folder "/utt2spk")
        }
        if (count) print id[i] > (folder "/files")
      }
    }'
  for set in train dev test; do
    [ -s "data/$set/segments" ] || fail "$corpus_dir: too few files of $piece s for a $set set; pass --corpus_dir, the whole corpus"
    awk 'NR == FNR { wanted[$1]; next } $1 in wanted' "data/$set/files" data/all/wav.scp | LC_ALL=C sort >"data/$set/wav.scp"
    for file in segments utt2spk; do
      LC_ALL=C sort -o "data/$set/$file" "data/$set/$file"
    done
    awk '{ list = list " " $1 } END { print "piano" list }' "data/$set/utt2spk" >"data/$set/spk2utt"
    rm "data/$set/files"
    echo "data/$set: $(wc -l <"data/$set/segments") pieces"
  done
}
