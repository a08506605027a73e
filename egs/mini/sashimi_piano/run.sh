#!/usr/bin/env bash
# SaShiMi on a small corpus of piano at 16 kHz, sized for two CPU cores.
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing.
#
# Options of this recipe:
#   --corpus_dir DIR the folder that holds train, valid and test, audio files in each
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe generative_recipe

n_gpus=0
nj=2
seconds=4.0
num=4
corpus_dir=""

prepare_data() {
  local set
  [ -n "$corpus_dir" ] || fail "no corpus; pass --corpus_dir, the folder that holds train, valid and test"
  for set in train valid test; do
    [ -d "$corpus_dir/$set" ] || fail "$corpus_dir/$set: no such folder; pass --corpus_dir, the folder that holds it"
  done
  for set in train valid test; do
    run_job 0 "$nj" "data/log/prepare_$set.log" ondes prepare folder "$corpus_dir/$set" "data/${set/valid/dev}" \
      --speaker piano --nj "$nj"
  done
}

run_recipe "$@"
