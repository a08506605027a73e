# Where the jobs of every recipe run; edit it for your machines.
#   local   this machine
#   slurm   a Slurm cluster by srun; SLURM_OPTIONS holds further options, e.g. "--partition gpu --time 72:00:00";
#           SLURM_OPTIONS_train, SLURM_OPTIONS_gpu and SLURM_OPTIONS_cpu those of the training, of other jobs with a GPU,
#           and of jobs without
# ACCELERATE_CONFIG_FILE names a configuration of accelerate (accelerate config), for trainings of several processes.
# shellcheck shell=bash disable=SC2034
backend=local
export SLURM_OPTIONS="${SLURM_OPTIONS:-}"
export SLURM_OPTIONS_train="${SLURM_OPTIONS_train:-}"
export SLURM_OPTIONS_gpu="${SLURM_OPTIONS_gpu:-}"
export SLURM_OPTIONS_cpu="${SLURM_OPTIONS_cpu:-}"
