#!/usr/bin/env bash
# Wavehax on LibriTTS.
#
# Usage: ./run.sh [--option value]... [key=value]...
#
# Stages: -1 download, 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/libritts_corpus.sh
. "$utils/libritts_corpus.sh"

conf="$recipe/conf/v1.yaml"
# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"

run_stages "$@"
