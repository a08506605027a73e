#!/usr/bin/env bash
# A capture of your amplifier or pedal: from what you played through it and what came out to files for players of captures.
#
# Usage: ./run.sh --dry FILE --wet FILE [--option value]... [key=value]...
#        ./run.sh --pairs_dir DIR --conf conf/knobs.yaml [--option value]... [key=value]...
#
# Stages: 0 checks, alignment, split; 2 training, 3 packing and rendering, 4 evaluation, 5 packing, 6 files for players.
#
# Options of this recipe:
#   --dry FILE       what was played, best the signal of 'ondes effect-signal'
#   --wet FILE       its recording
#   --delay N        samples by which the recording is late, instead of the measured delay
#   --channel N      channel of stereo files, from 1
#   --pairs_dir DIR  recordings at several settings instead, listed in pairs.csv, see 'ondes prepare pairs'
#   --name TEXT      name of the capture, in its files
set -euo pipefail

# shellcheck source=egs/utils/recipe.sh
. "$(dirname "$0")/../../utils/recipe.sh" vocoder_recipe effect_recipe

help_files=("$utils/vocoder_recipe.sh")
dry=""
wet=""
delay=""
channel=""
name=""
stop_stage=6

prepare_data() {
  local options=()
  if [ -n "$channel" ]; then
    options+=(--channel "$channel")
  fi
  if [ -n "$pairs_dir" ]; then
    [ -d "$pairs_dir" ] || fail "$pairs_dir: no such folder; pass --pairs_dir, the folder of pairs.csv"
    run_job 0 "$nj" data/log/prepare.log \
      ondes prepare pairs "$pairs_dir" data --config "$conf" --align ${options[@]+"${options[@]}"}
    show_notes
    return
  fi
  [ -n "$dry" ] && [ -n "$wet" ] || fail "no recording; pass --dry and --wet, what was played and what came out"
  local file
  for file in "$dry" "$wet"; do
    [ -f "$file" ] || fail "$file: no such file; pass --dry and --wet, what was played and what came out"
  done
  if [ -n "$delay" ]; then
    options+=(--delay "$delay")
  fi
  run_job 0 1 data/log/prepare.log ondes prepare capture "$dry" "$wet" data ${options[@]+"${options[@]}"}
  show_notes
}

# show_notes: what the checks say about the recording.
show_notes() {
  sed -n '/^note: /p' data/log/prepare.log
}

default_checkpoint() {
  echo best
}

evaluate_systems() {
  run_evaluation 0 1 pairs "$tag=$exp/model" --data data/test --whole --note "configuration: $exp/config.yaml"
  sed -n "s/^- \($tag: ESR .*\)/\1/p" "$exp/RESULTS.md"
}

# export_capture: every format that holds the family; the measured error goes into the file.
export_capture() {
  local format formats=(nam) file error="" about=(--about "name=${name:-$tag}")
  if grep -Eq '^family: *recurrent' "$exp/config.yaml"; then
    formats=(aidax)
    if grep -Eq '^ +hidden_size: *40\b' "$exp/config.yaml"; then
      formats+=(proteus)
    fi
  fi
  if [ -f "$exp/RESULTS.md" ]; then
    error="$(sed -n 's/.*: ESR \([0-9.]*\),.*/\1/p' "$exp/RESULTS.md" | head -n 1)"
  fi
  if [ -n "$error" ]; then
    about+=(--about "validation_esr=$error")
  fi
  for format in "${formats[@]}"; do
    file="$exp/$tag.$format.json"
    if [ "$format" = nam ]; then
      file="$exp/$tag.nam"
    fi
    run_job 0 1 "$exp/log/export_$format.log" \
      ondes export "$exp/model" --format "$format" -o "$file" "${about[@]}" --force
    echo "capture: $recipe/$file"
  done
}

run_recipe "$@"
run_stage 6 "files for players" export_capture
