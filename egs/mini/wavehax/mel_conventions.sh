#!/usr/bin/env bash
# Measures the default vocoder on the mels of other programs, beside librosa's inversion of the same mels with 60 iterations of
# Griffin-Lim, and writes OUTPUT/RESULTS.md. The presets by default are all that differ in their analysis (ondes mel list). What is
# there already (OUTPUT/PRESET.json) is kept, so that an interrupted run goes on.
# Usage: ./mel_conventions.sh AUDIO OUTPUT [PRESET...], with a folder of recordings and a folder to write.
set -euo pipefail
here=$(dirname "$0")
audio=$1 output=$2
shift 2
presets=${*:-bigvgan_24k vocos_24k wavehax_24k hifigan_22k tacotron2_nvidia vocos_matcha_22k fairseq_22k coqui_22k mozilla_22k
  espnet_16k espnet_22k espnet_24k speechbrain_16k tacotron_16k bigvgan_44k wavehax_48k}
measures=(--resample --metrics "pesq,mstft,dnsmos_p808")

mkdir -p "$output"
if [ ! -e "$output/native.json" ]; then
  ondes synth "$audio" -o "$output/native" --force --resample --f0 mel
  ondes evaluate audio --ref "$audio" --gen "vocoder=$output/native" --natural "${measures[@]}" --out "$output/native.json"
fi
for preset in $presets; do
  [ -e "$output/$preset.json" ] && continue
  work=$output/$preset
  ondes mel extract "$audio" -o "$work/features" --mel "$preset" --force
  ondes synth "$work/features" -o "$work/vocoder" --mel "$preset" --force
  python "$here/local/conventions.py" invert "$work/features" "$work/inversion" --mel "$preset"
  ondes evaluate audio --ref "$audio" --gen "vocoder=$work/vocoder" --gen "inversion=$work/inversion" \
    "${measures[@]}" --out "$output/$preset.json"
  python "$here/local/conventions.py" table "$output"
done
