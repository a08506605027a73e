#!/usr/bin/env bash
# Run one job on a Slurm cluster, wait for it, and keep its output in a log.
#
# Usage: slurm.sh [--gpus N] [--threads N] LOG COMMAND [ARGUMENT]...
#
# Further options of srun (partition, account, memory, time) come from the environment variable SLURM_OPTIONS.
#
#   --gpus N      GPUs of the job
#   --threads N   CPU cores of the job
set -euo pipefail

gpus=0
threads=1
# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[ $# -ge 2 ] || usage_error "a log file and a command are needed"
log="$1"
shift
if ! command -v srun >/dev/null; then
  echo "error: no srun on this machine; pass --backend local, or start the recipe on a Slurm login node" >&2
  exit 2
fi

mkdir -p "$(dirname "$log")"
touch "$log"
first=$(($(wc -l <"$log") + 2))
echo "# $(date '+%F %T') srun: ${*@Q}" >>"$log"
request=(--ntasks 1 --cpus-per-task "$threads" --job-name "$(basename "$log" .log)" --output "$log" --open-mode append)
if [ "$gpus" -gt 0 ]; then
  request+=(--gres "gpu:$gpus")
fi
read -r -a extra <<<"${SLURM_OPTIONS:-}"
status=0
srun "${request[@]}" ${extra[@]+"${extra[@]}"} "$@" || status=$?
if [ "$status" -ne 0 ]; then
  tail -n "+$first" "$log" | tail -n 20 >&2
  echo "the job ended with exit code $status; its output is in $log" >&2
fi
exit "$status"
