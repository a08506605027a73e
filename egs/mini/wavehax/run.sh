#!/usr/bin/env bash
# Wavehax on a CPU from any small corpus in LibriTTS layout (subset/speaker/chapter/*.wav|flac).
#
# Usage: ./run.sh --corpus_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
set -euo pipefail

recipe="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
utils="$recipe/../../utils"
# shellcheck source=egs/utils/vocoder_recipe.sh
. "$utils/vocoder_recipe.sh"
# shellcheck source=egs/utils/small_corpus.sh
. "$utils/small_corpus.sh"

# shellcheck source=egs/utils/parse_options.sh
. "$utils/parse_options.sh"

run_stages "$@"
