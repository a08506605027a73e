#!/usr/bin/env bash
# PeriodWave-Turbo on a CPU: tunes a PeriodWave of ../periodwave on the same small corpus.
#
# Usage: ./run.sh --corpus_dir DIR --init PATH [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe small_corpus

conf="$recipe/conf/turbo4.yaml"

run_recipe "$@"
