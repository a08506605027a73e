#!/usr/bin/env bash
# Measures the default vocoder on the mels of other programs, beside Griffin-Lim from the same mels (RESULTS.md).
# Usage: ./mel_conventions.sh AUDIO OUTPUT [PRESET...], with a folder of recordings and a folder to write.
set -euo pipefail
audio=$1 output=$2
shift 2
presets=${*:-bigvgan_24k vocos_24k wavehax_24k hifigan_22k tacotron2_nvidia coqui_22k espnet_22k espnet_24k bigvgan_44k
  speechbrain_16k tacotron_16k}
measures=(--resample --metrics pesq,mstft,dnsmos_p808)

ondes synth "$audio" -o "$output/native" --force --resample --f0 mel
ondes evaluate audio --ref "$audio" --gen "native=$output/native" --natural "${measures[@]}" --out "$output/native.json" \
  --markdown "$output/native.md"
for preset in $presets; do
  work=$output/$preset
  ondes mel extract "$audio" -o "$work/features" --mel "$preset" --force
  ondes synth "$work/features" -o "$work/vocoder" --mel "$preset" --force
  ondes synth "$work/features" -o "$work/griffin-lim" --mel "$preset" --model griffin-lim --iterations 60 --force
  ondes evaluate audio --ref "$audio" --gen "vocoder=$work/vocoder" --gen "griffin-lim=$work/griffin-lim" \
    "${measures[@]}" --out "$output/$preset.json" --markdown "$output/$preset.md"
done
