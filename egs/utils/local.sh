#!/usr/bin/env bash
# Run one job on this machine and keep its output in a log.
#
# Usage: local.sh [--gpus N] [--threads N] LOG COMMAND [ARGUMENT]...
#
# On a terminal the output is shown as well; elsewhere the end of the log is shown if the job fails.
#
#   --gpus N      GPUs of the job; nothing is reserved here
#   --threads N   CPU cores of the job; nothing is reserved here
set -euo pipefail

gpus=0
threads=1
# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[ $# -ge 2 ] || usage_error "a log file and a command are needed (gpus $gpus, threads $threads)"
log="$1"
shift

mkdir -p "$(dirname "$log")"
touch "$log"
first=$(($(wc -l <"$log") + 2))
echo "# $(date '+%F %T') $(hostname): ${*@Q}" >>"$log"
status=0
if [ -t 1 ]; then
  # -i: at Ctrl-C the job still has something to say.
  "$@" 2>&1 | tee -i -a "$log" || status=${PIPESTATUS[0]}
else
  "$@" >>"$log" 2>&1 || status=$?
  # Only what this job wrote: the log may hold earlier ones.
  [ "$status" -eq 0 ] || tail -n "+$first" "$log" | tail -n 20 >&2
fi
if [ "$status" -ne 0 ]; then
  echo "the job ended with exit code $status; its output is in $log" >&2
fi
exit "$status"
