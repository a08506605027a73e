# Data preparation for corpora in LibriTTS layout; sourced by what the recipes source.
# shellcheck shell=bash disable=SC2154

# prepare_libritts FOLDER SUBSETS TARGET [COUNT [LIST]]: a data directory; of COUNT utterances spread evenly if COUNT is
# above 0, or of those that the file LIST names.
prepare_libritts() {
  local folder="$1" subsets="$2" target="$3" count="${4:-0}" list="${5:-}"
  local whole="$target"
  if [ "$count" -gt 0 ] || [ -n "$list" ]; then
    whole="${target}_all"
  fi
  run_job 0 "$nj" "data/log/prepare_$(basename "$target").log" \
    ondes prepare libritts "$folder" "$whole" --subsets "$subsets" --nj "$nj"
  if [ "$whole" != "$target" ]; then
    choose_utterances "$whole" "$target" "$count" "$list"
  fi
}
