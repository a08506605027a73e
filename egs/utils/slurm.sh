#!/usr/bin/env bash
# Run one job on a Slurm cluster, wait for it, and keep its output in a log.
#
# Usage: slurm.sh [--gpus N] [--threads N] [--nodes N] [--kind NAME] LOG COMMAND [ARGUMENT]...
#
# Further options of srun (partition, account, memory, time) come from environment variables: SLURM_OPTIONS for every job,
# and after them SLURM_OPTIONS_train, SLURM_OPTIONS_gpu or SLURM_OPTIONS_cpu for those of a kind. A training is told two
# minutes before its time limit (SIGUSR1), writes a checkpoint and ends; exit code 75 then asks for another job.
#
#   --gpus N      GPUs of the job on each node
#   --threads N   CPU cores of the job on each node
#   --nodes N     nodes of the job; the command runs once on each
#   --kind NAME   train, gpu or cpu
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
[ $# -ge 2 ] || usage_error "a log file and a command are needed"
[[ "$kind" =~ ^(train|gpu|cpu)$ ]] || usage_error "--kind $kind; expected train, gpu or cpu"
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
request=(--nodes "$nodes" --ntasks "$nodes" --ntasks-per-node 1 --cpus-per-task "$threads")
request+=(--job-name "$(basename "$log" .log)" --output "$log" --open-mode append)
if [ "$gpus" -gt 0 ]; then
  request+=(--gres "gpu:$gpus")
fi
if [ "$kind" = train ]; then
  # One lost node ends the others too.
  request+=(--signal USR1@120 --kill-on-bad-exit)
fi
of_kind="SLURM_OPTIONS_$kind"
read -r -a extra <<<"${SLURM_OPTIONS:-} ${!of_kind:-}"
status=0
guarded_job srun "${request[@]}" ${extra[@]+"${extra[@]}"} "$@" || status=$?
if [ "$status" -ne 0 ]; then
  show_failure "$log" "$first"
  echo "the job ended with exit code $status; its output is in $log" >&2
fi
exit "$status"
