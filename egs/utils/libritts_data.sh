# Download and data preparation for corpora in LibriTTS layout; sourced by run.sh.
# shellcheck shell=bash disable=SC2154

# download_libritts URL FOLDER SUBSET...: fetch and unpack what FOLDER does not hold yet.
# A subset is unpacked elsewhere and moved, so a folder that is there is whole.
download_libritts() {
  local url="$1" folder="$2" archives subset
  archives="$(dirname "$folder")"
  shift 2
  mkdir -p "$folder"
  for subset in "$@"; do
    if [ -d "$folder/$subset" ]; then
      echo "$folder/$subset is there"
      continue
    fi
    _fetch "$url/$subset.tar.gz" "$archives/$subset.tar.gz"
    rm -rf "$archives/unpack.$subset"
    mkdir "$archives/unpack.$subset"
    if ! tar -xzf "$archives/$subset.tar.gz" -C "$archives/unpack.$subset"; then
      fail "$archives/$subset.tar.gz cannot be unpacked; delete it and run stage -1 again"
    fi
    mv "$archives/unpack.$subset"/*/"$subset" "$folder/$subset"
    rm -rf "$archives/unpack.$subset" "$archives/$subset.tar.gz"
    echo "$folder/$subset unpacked"
  done
}

# _fetch URL FILE: download with resume; a file of this name is complete.
_fetch() {
  if [ -f "$2" ]; then
    return
  fi
  echo "downloading $1"
  if ! curl --fail --location --silent --show-error --retry 3 --continue-at - --output "$2.part" "$1"; then
    fail "$1 cannot be downloaded; without network, fetch it elsewhere, unpack it and pass --corpus_dir"
  fi
  mv "$2.part" "$2"
}

# prepare_libritts FOLDER SUBSETS TARGET [COUNT]: a data directory, of COUNT utterances spread evenly if COUNT > 0.
prepare_libritts() {
  local folder="$1" subsets="$2" target="$3" count="${4:-0}"
  local whole="$target"
  if [ "$count" -gt 0 ]; then
    whole="${target}_all"
  fi
  run_job 0 "$nj" "data/log/prepare_$(basename "$target").log" \
    ondes prepare libritts "$folder" "$whole" --subsets "$subsets" --nj "$nj"
  if [ "$count" -gt 0 ]; then
    "$utils/subset_data.sh" "$count" "$whole" "$target"
  fi
}
