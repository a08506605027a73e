#!/usr/bin/env bash
# Measure what the shipped vocoders make of recordings, beside inversions of the same mel without a network, and renew the table of
# README.md. Times do not matter here; about two minutes for a minute of speech on two cores.
#
# Usage: ./quality.sh AUDIO OUTPUT, with a folder of recordings at 24 kHz and a folder to write.
set -euo pipefail
audio=$(realpath "$1") output=$(realpath -m "$2")

cd "$(dirname "$0")"
# shellcheck source=egs/mini/wavehax/path.sh
. ./path.sh

systems=()
for model in wavehax-24k wavehax-stream-24k periodwave-harmonic-24k periodwave-turbo-24k mel-inversion griffin-lim; do
  ondes synth "$audio" -o "$output/$model" --model "$model" --skip-existing
  systems+=(--gen "$model=$output/$model")
done
ondes evaluate audio --ref "$audio" "${systems[@]}" --natural --metrics pesq,mstft,mel_l1,dnsmos_p808 --out quality.json
ondes bench --fill ../../../README.md
