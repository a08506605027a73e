#!/usr/bin/env bash
# Rehearse the LibriTTS recipes on a small corpus: every stage of each, with the published networks, for a few steps of one
# segment.
#
# Usage: ./rehearse.sh --corpus_dir DIR [--option value]...
#
# DIR is a small corpus with the subsets train-mini, dev-mini and test-mini. A few of its utterances are linked as the real
# corpus is laid out, and copies of the recipes run in FOLDER/egs, so that the data and the runs of the recipes themselves
# stay as they are. FOLDER/RESULTS.md then holds the results of all runs in FOLDER, with published figures beside them.
#
#   --corpus_dir DIR  the small corpus
#   --output FOLDER   folder to write
#   --runs LIST       RECIPE/CONFIGURATION, separated by commas, in this order; all: every configuration
#   --steps N         training steps of each run
#   --utterances N    utterances in each subset: the shortest
#   --threads N       threads and processes
set -euo pipefail

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
egs="$(dirname "$folder")"
corpus_dir=""
output="$folder/rehearsal"
runs=wavehax/v1,periodwave/base,periodwave_turbo/turbo_base,sashimi/sashimi
steps=2
utterances=4
threads=1
# shellcheck source=egs/utils/parse_options.sh
. "$egs/utils/parse_options.sh"
[ -d "$corpus_dir/train-mini" ] || usage_error "--corpus_dir '$corpus_dir' has no train-mini"
corpus_dir="$(cd "$corpus_dir" && pwd)"
if [ "$runs" = all ]; then
  # Turbo starts from the runs of PeriodWave, which come before it. LibriTTS has no 48 kHz for the full-band Wavehax.
  runs="$(cd "$folder" && find wavehax periodwave periodwave_turbo sashimi -path '*/conf/*.yaml' ! -name fb.yaml |
    LC_ALL=C sort -r | sed 's|/conf/|/|; s|\.yaml$||' | awk '{ print /turbo/ ? 2 : 1, $0 }' | LC_ALL=C sort -s -k 1,1 |
    cut -d' ' -f2 | paste -sd,)"
fi
IFS=, read -ra runs <<<"$runs"
for run in "${runs[@]}"; do
  [ -f "$folder/${run%%/*}/conf/${run#*/}.yaml" ] || usage_error "--runs: no '$run' (RECIPE/CONFIGURATION, such as wavehax/v1)"
done
mkdir -p "$output"
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

# Data and features of another selection would be refused.
selection="$corpus_dir, $utterances"
if [ "$(cat "$output/selection" 2>/dev/null)" != "$selection" ]; then
  rm -rf "$corpus" "$output/egs"
  link train-mini 0 train-clean-100
  link train-mini 1 train-clean-360
  link train-mini 2 train-other-500
  link dev-mini 0 dev-clean
  link dev-mini 1 dev-other
  link test-mini 0 test-clean
  link test-mini 1 test-other
  echo "$selection" >"$output/selection"
fi

mkdir -p "$output/egs/libritts"
cp -r "$egs/utils" "$output/egs/"
for recipe in wavehax periodwave periodwave_turbo sashimi; do
  mkdir -p "$output/egs/libritts/$recipe"
  for part in run.sh path.sh cmd.sh conf published.yaml; do
    [ ! -e "$folder/$recipe/$part" ] || cp -r "$folder/$recipe/$part" "$output/egs/libritts/$recipe/"
  done
done

# write_embeddings RECIPE CONFIGURATION: features of its size in the place of a codec's: mels.
write_embeddings() {
  local place="$output/egs/libritts/$1" set
  "$place/run.sh" --stop_stage 0 --corpus_dir "$corpus" --conf "$place/conf/$2.yaml" --nj "$threads" --n_gpus 0 --num_dev 2 --num_test 2
  # shellcheck source=egs/utils/path.sh
  . "$folder/$1/path.sh"
  for set in train dev test; do
    ondes --quiet features --config "$place/conf/$2.yaml" --data "$place/data/$set" --output "$place/dump/$2" --no-statistics \
      --write-mels "$place/embeddings" --nj "$threads" model.condition=mel data.peak=null data.resample=true
  done
}

# rehearse RECIPE CONFIGURATION: a run of its own, from data to packing.
rehearse() {
  local place="$output/egs/libritts/$1" options=(--dump "dump/$2") changes=()
  echo "== libritts/$1: $2"
  rm -rf "$place/exp/$2" "$place/dump/$2"
  case "$1/$2" in
    periodwave_turbo/*) options+=(--init "$output/egs/libritts/periodwave/exp/${2#turbo_}") ;;
    sashimi/*)
      options=(--seconds 0.2 --num 1)
      changes=(data.segment_length=8000)
      ;;
    periodwave/encodec)
      write_embeddings "$1" "$2"
      options+=(--predicted "$place/embeddings")
      changes=(data.segment_length=9600) # the shortest utterances have less than its 2 s
      ;;
  esac
  case "$1/$2" in
    periodwave/multiband) changes+=("model.sampling.band_steps=[2, 1, 1, 1]") ;;
    periodwave/*) changes+=(model.sampling.steps=2) ;;
  esac
  "$place/run.sh" --corpus_dir "$corpus" --conf "$place/conf/$2.yaml" --nj "$threads" --n_gpus 0 \
    --num_dev 2 --num_test 2 "${options[@]}" ${changes[@]+"${changes[@]}"} "trainer.max_steps=$steps" \
    "trainer.valid_every=$steps" "trainer.checkpoint_every=$steps" trainer.log_every=1 "trainer.num_threads=$threads" \
    data.batch_size=1 data.num_workers=0
}

for run in "${runs[@]}"; do
  rehearse "${run%%/*}" "${run#*/}"
done

# Definitions of metrics stand once, below the runs.
mapfile -t pages < <(find "$output/egs/libritts" -path '*/exp/*/RESULTS.md' | LC_ALL=C sort)
{
  echo "# Rehearsal: $steps steps of each run, which show that its stages work and not how it sounds"
  for page in "${pages[@]}"; do
    echo
    awk '/^## / { inside = /^## Definitions/ } !inside' "$page" | sed 's/^#/##/'
  done
  printf '\n## Definitions\n\n'
  awk '/^#/ { inside = /^## Definitions/; next } inside && NF && !seen[$0]++' "${pages[@]}"
} >"$output/RESULTS.md"
echo "all runs went to their last stage; results: $output/RESULTS.md"
