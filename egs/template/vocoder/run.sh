#!/usr/bin/env bash
# A vocoder from a folder of audio files, searched recursively; the first sub-folder is the speaker.
#
# Usage: ./run.sh --audio_dir DIR [--option value]... [key=value]...
#
# Stages: 0 data, 1 features, 2 training, 3 decoding, 4 evaluation, 5 packing.
#
# Options of this recipe:
#   --audio_dir DIR  wav, flac, ogg or mp3 files of any sample rate
#   --num_dev N      files for validation
#   --num_test N     files for the evaluation
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe

audio_dir=""
num_dev=20
num_test=20

prepare_data() {
  [ -n "$audio_dir" ] || fail "no audio; pass --audio_dir, a folder of audio files"
  [ -d "$audio_dir" ] || fail "$audio_dir: no such folder; pass --audio_dir, a folder of audio files"
  [ "$num_dev" -ge 1 ] && [ "$num_test" -ge 1 ] || fail "--num_dev $num_dev, --num_test $num_test; both must be at least 1"
  run_job 0 "$nj" data/log/prepare.log \
    ondes prepare folder "$audio_dir" data --dev "$num_dev" --test "$num_test" --nj "$nj"
}

run_recipe "$@"
