#!/usr/bin/env bash
# Start the processes of a training on this node, one for each GPU; run it on every node of a job.
#
# Usage: torchrun.sh [--nodes N] [--processes N] COMMAND [ARGUMENT]...
#
# The nodes find each other at the first node of the Slurm job; without Slurm at MASTER_ADDR:MASTER_PORT. Where
# ACCELERATE_CONFIG_FILE names a configuration of accelerate, `accelerate launch` starts the processes with it.
#
#   --nodes N      nodes of the job
#   --processes N  processes on each node
set -euo pipefail

nodes=1
processes=1
# shellcheck source=egs/utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[ $# -ge 1 ] || usage_error "a command is needed"
if [ "$nodes" -eq 1 ]; then
  meeting=(--standalone)
  main=()
else
  address="${MASTER_ADDR:-}"
  if [ -z "$address" ] && command -v scontrol >/dev/null; then
    address="$(scontrol show hostnames "${SLURM_STEP_NODELIST:-${SLURM_JOB_NODELIST:-}}" | head -n 1)"
  fi
  [ -n "$address" ] || usage_error "--nodes $nodes without Slurm; set MASTER_ADDR to the first node"
  # A port of its own for each job.
  port="${MASTER_PORT:-$((20000 + ${SLURM_JOB_ID:-0} % 20000))}"
  main=(--main_process_ip "$address" --main_process_port "$port" --machine_rank "${SLURM_NODEID:-0}")
  meeting=(--rdzv-backend c10d --rdzv-endpoint "$address:$port" --rdzv-id "ondes-${SLURM_JOB_ID:-0}-${SLURM_STEP_ID:-0}")
fi
# The training processes handle it; torchrun would end.
trap '' USR1
if [ -n "${ACCELERATE_CONFIG_FILE:-}" ]; then
  exec accelerate launch --config_file "$ACCELERATE_CONFIG_FILE" --multi_gpu --num_machines "$nodes" \
    --num_processes "$((nodes * processes))" ${main[@]+"${main[@]}"} --no_python "$@"
fi
exec torchrun --nnodes "$nodes" --nproc-per-node "$processes" "${meeting[@]}" --no-python "$@"
