#!/usr/bin/env bash
# PeriodWave-Turbo on LibriTTS: tunes a PeriodWave of ../periodwave.
#
# Usage: ./run.sh --init PATH [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe libritts_corpus

conf="$recipe/conf/turbo_base.yaml"
# As published, up to the choice of the utterances: the lists of BigVGAN hold as many, see --dev_list.
train_set=train-clean-100,train-clean-360,train-other-500
dev_set=dev-clean,dev-other
test_set=test-clean,test-other
num_dev=208
num_test=200

# Those of the published tables; a tracker of pitch that needs no GPU.
metrics=pesq,mstft,periodicity:swift,vuv_f1:swift,pitch_cents:swift,mel_l1,mcd,dnsmos_p808,level_difference

run_recipe "$@"
