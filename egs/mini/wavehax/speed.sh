#!/usr/bin/env bash
# Measure speed on this machine, and renew the tables of README.md and SPEED.md; about five minutes on two quiet cores.
#
# Usage: ./speed.sh [RUNS]
set -euo pipefail

cd "$(dirname "$0")"
# shellcheck source=egs/mini/wavehax/path.sh
. ./path.sh

ondes bench wavehax:v1 wavehax:v2 wavehax-24k periodwave:small periodwave:base --steps 4 --solver euler --runtime torch,compiled \
    --against vocos,hifigan-v1 --seconds 1,10 --threads 1,2 --runs "${1:-3}" --no-memory --out speed.json
ondes bench --fill SPEED.md
ondes bench --fill ../../../README.md
