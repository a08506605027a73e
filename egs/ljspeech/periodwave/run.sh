#!/usr/bin/env bash
# PeriodWave and PeriodWave-Turbo on LJSpeech, 22.05 kHz.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe ljspeech_corpus

conf="$recipe/conf/base.yaml"

# Those of the published tables; a tracker of pitch that needs no GPU.
metrics=pesq,mstft,periodicity:swift,vuv_f1:swift,pitch_cents:swift,mel_l1,mcd,dnsmos_p808,level_difference

run_recipe "$@"
