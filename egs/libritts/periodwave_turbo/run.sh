#!/usr/bin/env bash
# PeriodWave-Turbo on LibriTTS: tunes a PeriodWave of ../periodwave.
#
# Usage: ./run.sh --init PATH [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe libritts_corpus periodwave_tables

conf="$recipe/conf/turbo_base.yaml"

run_recipe "$@"
