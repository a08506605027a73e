#!/usr/bin/env bash
# SaShiMi on spoken digits at 8 kHz, sized for one CPU core.
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing, 6 a classifier's view of the samples.
#
# Options of this recipe:
#   --corpus_dir DIR the folder that holds train and test: DIGIT/SPEAKER_TAKE.flac, no speaker in both
#   --num_dev N      utterances of train for validation, spread evenly
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe generative_recipe

n_gpus=0
nj=1
num=32
stop_stage=6
corpus_dir=""
num_dev=100

prepare_data() {
  local set
  [ -n "$corpus_dir" ] || fail "no corpus; pass --corpus_dir, the folder that holds train and test"
  for set in train test; do
    [ -d "$corpus_dir/$set" ] || fail "$corpus_dir/$set: no such folder; pass --corpus_dir, the folder that holds it"
  done
  # seven/lucas_12.flac: the word, the speaker and the number of the take.
  for set in train test; do
    run_job 0 "$nj" "data/log/prepare_$set.log" ondes prepare folder "$corpus_dir/$set" \
      "data/$([ "$set" = train ] && echo all || echo test)" --speaker-pattern '([a-z]+)_[0-9]+[.]' --text-pattern '^([^/]+)/' --nj "$nj"
  done
  choose_utterances data/all data/dev "$num_dev" ""
  "$utils/subset_data.sh" --except data/dev/utt2spk 0 data/all data/train
}

classify_samples() {
  local options=()
  if [ -d "$exp/generated" ]; then
    options+=(--generated "$exp/generated")
  fi
  run_job 0 1 "$exp/log/classify.log" "$(dirname "$(command -v ondes)")/python" local/classify.py \
    --train data/train --test data/test --out "$exp/CLASSIFIER.md" ${options[@]+"${options[@]}"}
  cat "$exp/CLASSIFIER.md"
}

run_recipe "$@"
run_stage 6 "classification" classify_samples
