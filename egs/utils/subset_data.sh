#!/usr/bin/env bash
# Choose utterances of a Kaldi data directory, evenly spread over its sorted list.
#
# Usage: subset_data.sh [--list FILE | --except FILE] COUNT SOURCE TARGET
#
# A COUNT of 0, or as many as there are, takes all.
#
#   --list FILE    choose from those that the file names: an id or a path in each line, text after '|' or a space
#   --except FILE  choose from those that the file does not name, such as the utt2spk of another data directory
set -euo pipefail

list=""
except=""
# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[[ $# -eq 3 && "$1" =~ ^[0-9]+$ ]] || usage_error "a count and two data directories are needed"
count="$1" source="$2" target="$3"
[ -f "$source/utt2spk" ] || usage_error "$source is no data directory"
[ ! -e "$source/segments" ] || usage_error "$source has segments; a subset of whole files only is possible"
[ -z "$list" ] || [ -z "$except" ] || usage_error "--list and --except exclude each other"
named="${list:-${except:-/dev/null}}"
[ -r "$named" ] || usage_error "$named: no such list of utterances"

# read_list FILE: its lines, however an editor or a spreadsheet saved them (byte order mark, UTF-16, any line end).
read_list() {
  case "$(head -c 2 "$1" | od -An -tx1 | tr -d ' ')" in
    fffe | feff) iconv -f UTF-16 -t UTF-8 "$1" ;;
    *) cat "$1" ;;
  esac | tr '\r' '\n' | LC_ALL=C sed $'s/^\xef\xbb\xbf//'
}

temporary="$target.tmp.$$"
trap 'rm -rf "$temporary"' EXIT
mkdir -p "$temporary"
read_list "$named" >"$temporary/named"
# Of "dev-clean/84/121123/84_121123_000007_000001.wav|text" the id is what stands between the last slash and the suffix.
LC_ALL=C awk -v wanted="${list:+1}" '
  pass == 1 { sub(/[|].*/, ""); sub(/[ \t\r].*/, ""); sub(/.*\//, ""); sub(/[.](wav|flac)$/, ""); named[$0]; next }
  ($1 in named) == (wanted != "")' pass=1 "$temporary/named" pass=2 "$source/utt2spk" >"$temporary/candidates"
total=$(wc -l <"$temporary/candidates")
if [ "$total" -eq 0 ]; then
  echo "error: no utterance of $source is in the list $named, or all are excepted by it" >&2
  exit 2
fi
listed=$(LC_ALL=C grep -a -c '[^[:space:]]' "$temporary/named" || true)
if [ -n "$list" ] && [ "$total" -lt "$listed" ]; then
  echo "warning: $list names $listed utterances, $source holds $total of them" >&2
fi
if [ "$count" -eq 0 ] || [ "$count" -gt "$total" ]; then
  count="$total"
fi
# Line i is taken where floor(i * count / total) rises: exactly `count` lines.
awk -v n="$count" -v total="$total" 'int(NR * n / total) > int((NR - 1) * n / total) { print $1 }' \
  "$temporary/candidates" >"$temporary/ids"
for file in wav.scp utt2spk utt2dur text feats.scp; do
  if [ -f "$source/$file" ]; then
    awk 'NR == FNR { wanted[$1]; next } $1 in wanted' "$temporary/ids" "$source/$file" >"$temporary/$file"
  fi
done
awk '{ list[$2] = list[$2] " " $1 } END { for (speaker in list) print speaker list[speaker] }' \
  "$temporary/utt2spk" | LC_ALL=C sort >"$temporary/spk2utt"
rm "$temporary/ids" "$temporary/candidates" "$temporary/named"
rm -rf "$target"
mv "$temporary" "$target"
echo "$target: $count of $total utterances of $source"
