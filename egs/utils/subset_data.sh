#!/usr/bin/env bash
# Choose utterances of a Kaldi data directory, evenly spread over its sorted list.
#
# Usage: subset_data.sh COUNT SOURCE TARGET
#
# A COUNT of 0, or as many as there are, takes all.
set -euo pipefail

# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[[ $# -eq 3 && "$1" =~ ^[0-9]+$ ]] || usage_error "a count and two data directories are needed"
count="$1" source="$2" target="$3"
[ -f "$source/utt2spk" ] || usage_error "$source is no data directory"
[ ! -e "$source/segments" ] || usage_error "$source has segments; a subset of whole files only is possible"

temporary="$target.tmp.$$"
trap 'rm -rf "$temporary"' EXIT
mkdir -p "$temporary"
total=$(wc -l <"$source/utt2spk")
if [ "$count" -eq 0 ] || [ "$count" -gt "$total" ]; then
  count="$total"
fi
# Line i is taken where floor(i * count / total) rises: exactly `count` lines.
awk -v n="$count" -v total="$total" 'int(NR * n / total) > int((NR - 1) * n / total) { print $1 }' \
  "$source/utt2spk" >"$temporary/ids"
for file in wav.scp utt2spk utt2dur text; do
  if [ -f "$source/$file" ]; then
    awk 'NR == FNR { wanted[$1]; next } $1 in wanted' "$temporary/ids" "$source/$file" >"$temporary/$file"
  fi
done
awk '{ list[$2] = list[$2] " " $1 } END { for (speaker in list) print speaker list[speaker] }' \
  "$temporary/utt2spk" | LC_ALL=C sort >"$temporary/spk2utt"
rm "$temporary/ids"
rm -rf "$target"
mv "$temporary" "$target"
echo "$target: $count of $total utterances of $source"
