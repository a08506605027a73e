#!/usr/bin/env bash
# SaShiMi on LibriTTS at 16 kHz: speech without text, or the continuation of a prompt.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 2 training, 3 generation, 4 bits per sample, 5 packing.
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/libritts_corpus.sh
. "$utils/libritts_corpus.sh"
# shellcheck source=egs/utils/generative_recipe.sh
. "$utils/generative_recipe.sh"

conf="$recipe/conf/sashimi.yaml"
seconds=4.0
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"

run_stages "$@"
