#!/usr/bin/env bash
# PeriodWave on a CPU from any small corpus in LibriTTS layout (subset/speaker/chapter/*.wav|flac).
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe small_corpus

run_recipe "$@"
