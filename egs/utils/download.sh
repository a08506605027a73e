# Download of corpora; sourced by run.sh or by what it sources.
# shellcheck shell=bash disable=SC2154

# download_folder URL ARCHIVES TARGET: fetch an archive into the folder ARCHIVES and take out of it the folder that has
# TARGET's name, if TARGET is not there. It is unpacked elsewhere and moved, so a folder that is there is whole.
download_folder() {
  local url="$1" archives="$2" target="$3"
  local name archive unpacked found
  name="$(basename "$target")"
  archive="$archives/$(basename "$url")"
  unpacked="$archives/unpack.$name"
  if [ -d "$target" ]; then
    echo "$target is there"
    return
  fi
  check_configuration
  mkdir -p "$archives" "$(dirname "$target")"
  _fetch "$url" "$archive"
  rm -rf "$unpacked"
  mkdir "$unpacked"
  if ! tar -xf "$archive" -C "$unpacked"; then
    fail "$archive cannot be unpacked; delete it and run stage -1 again"
  fi
  found="$(find "$unpacked" -mindepth 1 -maxdepth 2 -type d -name "$name" -print -quit)"
  [ -n "$found" ] || fail "$archive holds no folder $name; pass --corpus_dir, the unpacked corpus"
  mv "$found" "$target"
  rm -rf "$unpacked" "$archive"
  echo "$target unpacked"
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
