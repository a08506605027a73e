#!/usr/bin/env bash
# Run one job on this machine and keep its output in a log.
#
# Usage: local.sh [--gpus N] [--threads N] [--nodes N] [--kind NAME] LOG COMMAND [ARGUMENT]...
#
# On a terminal the job shows its progress there, and `ondes` keeps its log lines in the log too; elsewhere its errors
# are shown if it fails, or the end of the log. The job ends when this script is killed.
#
#   --gpus N      GPUs of the job; nothing is reserved here
#   --threads N   CPU cores of the job; nothing is reserved here
#   --nodes N     machines of the job: only 1
#   --kind NAME   kind of the job; no difference here
set -euo pipefail

gpus=0
threads=1
nodes=1
kind=cpu
# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
# shellcheck source=egs/utils/show_failure.sh
. "$(dirname "${BASH_SOURCE[0]}")/show_failure.sh"
# shellcheck source=egs/utils/guarded_job.sh
. "$(dirname "${BASH_SOURCE[0]}")/guarded_job.sh"
[ $# -ge 2 ] || usage_error "a log file and a command are needed (gpus $gpus, threads $threads, kind $kind)"
[ "$nodes" -eq 1 ] || usage_error "--nodes $nodes; the backend local is one machine, pass --backend slurm"
log="$1"
shift

mkdir -p "$(dirname "$log")"
touch "$log"
first=$(($(wc -l <"$log") + 2))
echo "# $(date '+%F %T') $(hostname): ${*@Q}" >>"$log"
status=0
if [ -t 1 ] && [ -t 2 ] && [ "$(basename "$1")" = ondes ]; then
  ONDES_LOG="$log" guarded_job "$@" || status=$?
elif [ -t 1 ]; then
  # -i: at Ctrl-C the job still has something to say.
  exec 3> >(tee -i -a "$log")
  tee=$!
  guarded_job "$@" >&3 2>&1 3>&- || status=$?
  exec 3>&-
  wait "$tee" || true
  [ "$status" -eq 0 ] || show_failure "$log" "$first"
else
  guarded_job "$@" >>"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || show_failure "$log" "$first"
fi
if [ "$status" -ne 0 ]; then
  echo "the job ended with exit code $status; its output is in $log" >&2
fi
exit "$status"
