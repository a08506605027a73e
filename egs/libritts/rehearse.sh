#!/usr/bin/env bash
# Rehearse the LibriTTS recipes on a small corpus: every stage of each, with the published networks, for a few steps.
#
# Usage: ./rehearse.sh --corpus_dir DIR [--option value]...
#
# DIR is a small corpus with the subsets train-mini, dev-mini and test-mini. A few of its utterances are linked as the real
# corpus is laid out, and copies of the recipes run in FOLDER/egs, so that the data and the runs of the recipes themselves
# stay as they are. FOLDER/RESULTS.md then holds the results of all of them, with the published figures beside them.
#
#   --corpus_dir DIR  the small corpus
#   --output FOLDER   folder to write
#   --steps N         training steps of each recipe
#   --utterances N    utterances in each subset: the shortest
#   --threads N       threads and processes
set -euo pipefail

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
egs="$(dirname "$folder")"
corpus_dir=""
output="$folder/rehearsal"
steps=2
utterances=4
threads=1
# shellcheck source=egs/utils/parse_options.sh
. "$egs/utils/parse_options.sh"
[ -d "$corpus_dir/train-mini" ] || usage_error "--corpus_dir '$corpus_dir' has no train-mini"
corpus_dir="$(cd "$corpus_dir" && pwd)"
mkdir -p "$output/egs/libritts"
output="$(cd "$output" && pwd)"
corpus="$output/LibriTTS"

# link SOURCE NUMBER SUBSET: every third of the shortest utterances, so that the subsets of a kind share none.
link() {
  local file target
  find "$corpus_dir/$1" -name '*.flac' -printf '%s %p\n' | LC_ALL=C sort -n | cut -d' ' -f2- |
    awk -v first="$2" -v count="$utterances" 'NR % 3 == first && n++ < count' |
    while IFS= read -r file; do
      target="$corpus/$3/${file#"$corpus_dir/$1/"}"
      mkdir -p "$(dirname "$target")"
      ln -sf "$file" "$target"
      [ ! -f "${file%.flac}.normalized.txt" ] || ln -sf "${file%.flac}.normalized.txt" "${target%.flac}.normalized.txt"
    done
}

# A rehearsal starts afresh: data and features of another selection would be refused.
rm -rf "$corpus" "$output/egs"
mkdir -p "$output/egs/libritts"
link train-mini 0 train-clean-100
link train-mini 1 train-clean-360
link train-mini 2 train-other-500
link dev-mini 0 dev-clean
link dev-mini 1 dev-other
link test-mini 0 test-clean
link test-mini 1 test-other

cp -r "$egs/utils" "$output/egs/"
for recipe in wavehax periodwave periodwave_turbo sashimi; do
  mkdir "$output/egs/libritts/$recipe"
  for part in run.sh path.sh cmd.sh conf published.yaml; do
    [ ! -e "$folder/$recipe/$part" ] || cp -r "$folder/$recipe/$part" "$output/egs/libritts/$recipe/"
  done
done

# rehearse RECIPE [ARGUMENT]...
rehearse() {
  local limit="$steps"
  echo "== libritts/$1"
  "$output/egs/libritts/$1/run.sh" --corpus_dir "$corpus" --tag rehearsal --nj "$threads" --n_gpus 0 --num_dev 2 \
    --num_test 2 "${@:2}" "trainer.max_steps=$limit" "trainer.valid_every=$limit" "trainer.checkpoint_every=$limit" \
    trainer.log_every=1 "trainer.num_threads=$threads" data.batch_size=1 data.num_workers=0
}

rehearse wavehax
rehearse periodwave model.sampling.steps=2
rehearse periodwave_turbo --init "$output/egs/libritts/periodwave/exp/rehearsal"
rehearse sashimi --seconds 0.2 --num 1

{
  echo "# Rehearsal: $steps steps of each recipe"
  for recipe in wavehax periodwave periodwave_turbo sashimi; do
    echo
    sed 's/^#/##/' "$output/egs/libritts/$recipe/exp/rehearsal/RESULTS.md"
  done
} >"$output/RESULTS.md"
echo "all recipes ran to their last stage; results: $output/RESULTS.md"
