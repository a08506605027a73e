# Where the jobs of every recipe run; edit it for your machines.
#   local   this machine
#   slurm   a Slurm cluster by srun; SLURM_OPTIONS holds further options, e.g. "--partition gpu --time 72:00:00"
# shellcheck shell=bash disable=SC2034
backend=local
export SLURM_OPTIONS="${SLURM_OPTIONS:-}"
