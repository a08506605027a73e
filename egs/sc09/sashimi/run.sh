#!/usr/bin/env bash
# SaShiMi, and DiffWave with the SaShiMi backbone, on SC09: the spoken digits of Speech Commands.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing.
# Stages 3 to 5 take the best checkpoint in validation (of a diffusion model the last), or --checkpoint.
#
# Options of this recipe:
#   --corpus_dir DIR the unpacked Speech Commands, which holds zero, one ... and the lists of its sets
#   --url URL        where the archive comes from
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe download generative_recipe

conf="$recipe/conf/sc09.yaml"
corpus_dir="$recipe/downloads/speech_commands_v0.02"
url=http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz

default_checkpoint() {
  best_likelihood
}

# The archive has no folder around its files.
download_corpus() {
  local archives archive
  archives="$(dirname "$corpus_dir")"
  archive="$archives/$(basename "$url")"
  if [ -d "$corpus_dir" ]; then
    echo "$corpus_dir is there"
    return
  fi
  mkdir -p "$archives"
  _fetch "$url" "$archive"
  rm -rf "$corpus_dir.unpack"
  mkdir "$corpus_dir.unpack"
  tar -xf "$archive" -C "$corpus_dir.unpack" || fail "$archive cannot be unpacked; delete it and run stage -1 again"
  mv "$corpus_dir.unpack" "$corpus_dir"
  rm "$archive"
}

prepare_data() {
  local digit list
  [ -d "$corpus_dir" ] || fail "$corpus_dir: no such corpus; run stage -1 to download it, or pass --corpus_dir"
  for list in validation testing; do
    [ -f "$corpus_dir/${list}_list.txt" ] || fail "$corpus_dir/${list}_list.txt is missing; pass --corpus_dir, the unpacked corpus"
  done
  # Only the digits: a folder of links.
  rm -rf data/digits
  mkdir -p data/digits
  for digit in zero one two three four five six seven eight nine; do
    [ -d "$corpus_dir/$digit" ] || fail "$corpus_dir/$digit is missing; pass --corpus_dir, the unpacked corpus"
    ln -s "$corpus_dir/$digit" "data/digits/$digit"
  done
  # seven/0a7c2a8d_nohash_0.wav: the speaker stands before the hash.
  run_job 0 "$nj" data/log/prepare.log \
    ondes prepare folder data/digits data/all --speaker-pattern '([^/]+)_nohash_' --nj "$nj"
  # The lists name seven/0a7c2a8d_nohash_0.wav, whose id is seven-0a7c2a8d_nohash_0. No speaker is in two sets.
  for list in validation testing; do
    grep -E '^(zero|one|two|three|four|five|six|seven|eight|nine)/' "$corpus_dir/${list}_list.txt" | tr '/' '-' >"data/$list.txt"
  done
  choose_utterances data/all data/dev 0 data/validation.txt
  choose_utterances data/all data/test 0 data/testing.txt
  cat data/validation.txt data/testing.txt >data/held_out.txt
  "$utils/subset_data.sh" --except data/held_out.txt 0 data/all data/train
}

run_recipe "$@"
