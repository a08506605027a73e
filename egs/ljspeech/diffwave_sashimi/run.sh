#!/usr/bin/env bash
# DiffWave with the SaShiMi backbone on LJSpeech, 22.05 kHz: a vocoder from the mels of Tacotron 2.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe ljspeech_corpus

run_recipe "$@"
