#!/usr/bin/env bash
# F0 from a log-mel alone, from any small corpus in LibriTTS layout (subset/speaker/chapter/*.wav|flac), on one CPU core.
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 packing, 4 agreement with the tracker of audio.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe small_corpus

stop_stage=4

# Nothing is decoded: the model gives F0.
decode_test_set() {
  pack_model
}

pack_model() {
  run_job 0 1 "$exp/log/pack.log" \
    ondes pack --exp "$exp" --output "$exp/model" --checkpoint "$checkpoint" --half --force ${card:+--card "$card"}
  echo "model: $recipe/$exp/model"
}

evaluate_systems() {
  run_job 0 1 "$exp/log/agreement.log" "$(dirname "$(command -v ondes)")/python" local/agreement.py \
    --model "$exp/model" --data data/test --out "$exp/RESULTS.md"
  cat "$exp/RESULTS.md"
}

run_recipe "$@"
