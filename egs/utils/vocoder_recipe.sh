# Options of every recipe:
#   --stage N        first stage to run
#   --stop_stage N   last stage to run
#   --conf FILE      configuration of model and training
#   --tag NAME       name of the run: everything goes to exp/NAME (default: name of the configuration)
#   --init PATH      start from these weights: a checkpoint, a run's folder (exp/NAME), a model folder, or the name of a
#                    model that ships with ondes
#   --n_gpus N       GPUs on each node, one process each; 0 trains on the CPU
#   --nodes N        nodes of the training, only with --backend slurm
#   --nj N           processes for data, features and evaluation
#   --backend NAME   local or slurm, see cmd.sh
#   --resume BOOL    continue the run if it was started before; false refuses to
#   --checkpoint C   which one is decoded, measured and packed: best (in validation), last, the number of a step, or a
#                    file (default: last, if the recipe does not say otherwise)
#   --card FILE      model card for the packed model
#   key=value        changes of the configuration, e.g. trainer.max_steps=1000
# shellcheck shell=bash disable=SC2154

# A part of recipe.sh, which has set `recipe` (the folder of run.sh) and `utils`. It gives the defaults above and `run_stages`; the
# functions download_corpus (stage -1) and prepare_data (stage 0: data/train, data/dev, data/test) are the recipe's own.
# shellcheck disable=SC2034  # read by parse_options.sh
help_files=("$utils/feature_options.sh" "$utils/vocoder_recipe.sh")
stage=0
stop_stage=5
conf="$recipe/conf/train.yaml"
tag=""
dump=dump
init=""
predicted=""
n_gpus=1
nodes=1
nj=4
resume=true
checkpoint=""
baselines=griffin-lim,world
metrics=""
card=""
packed=""
checked=""
# shellcheck source=/dev/null
. "$recipe/cmd.sh"
# shellcheck source=egs/utils/guarded_job.sh
. "$utils/guarded_job.sh"
start_folder="$PWD"

fail() {
  echo "error: $1" >&2
  exit 2
}

# absolute_path PATH
absolute_path() {
  case "$1" in
    "" | /*) echo "$1" ;;
    *) echo "$start_folder/$1" ;;
  esac
}

# check_configuration: once, before the first job or download. What is wrong with the configuration of the training, or
# a GPU that is missing, would otherwise show after hours of other stages.
check_configuration() {
  local gpus=()
  if [ -z "$checked" ] && [ "$stage" -lt 2 ] && chosen 2; then
    # On a cluster the GPUs are elsewhere.
    if [ "$backend" = local ]; then
      gpus=(--gpus "$n_gpus")
    fi
    ondes --quiet train --config "$conf" --exp "$exp" --dry-run ${gpus[@]+"${gpus[@]}"} "${settings[@]}" || exit 2
  fi
  checked=true
}

# run_job GPUS THREADS LOG COMMAND...
run_job() {
  local kind=cpu
  check_configuration
  if [ "$1" -gt 0 ]; then
    kind=gpu
  fi
  tell_log "$3"
  guarded_job "$utils/$backend.sh" --kind "$kind" --gpus "$1" --threads "$2" "${@:3}"
}

# tell_log FILE: where the lines of the next job are.
tell_log() {
  echo "  log: $recipe/$1"
}

# run_stages [key=value]...: everything that --stage and --stop_stage ask for.
run_stages() {
  check_options "$@"
  local path name="$init"
  # Relative paths count from where the user stands.
  for path in conf card init predicted corpus_dir audio_dir pairs_dir dry wet dev_list test_list; do
    printf -v "$path" '%s' "$(absolute_path "${!path:-}")"
  done
  checkpoint="${checkpoint:-$(default_checkpoint)}"
  [[ "$checkpoint" =~ ^(best|last|[0-9]+)$ ]] || checkpoint="$(absolute_path "$checkpoint")"
  tag="${tag:-$(basename "${conf%.yaml}")}"
  cd "$recipe" || exit
  # shellcheck source=/dev/null
  . ./path.sh
  # A name without a folder is that of a model which ships with ondes.
  if [[ "$name" =~ ^[^/]+$ ]] && [ ! -e "$init" ] && cut -f 1 <<<"$(ondes models)" | grep -Fxq -e "$name"; then
    init="$name"
  fi
  if [ "$n_gpus" -eq 0 ]; then
    export CUDA_VISIBLE_DEVICES=""
  fi
  exp="exp/$tag"
  settings=("data.train=data/train" "data.valid=data/dev" "data.feature_dir=$dump")
  if [ -n "$predicted" ]; then
    # The audio must stay at the level that the features were predicted for.
    settings+=(data.features=predicted data.peak=null data.gain_db=null)
  fi
  settings+=("$@")
  check_inputs
  run_stage -1 "download" download_corpus
  run_stage 0 "data preparation" prepare_data
  run_stage 1 "features" extract_features
  run_stage 2 "training" train_model
  run_stage 3 "decoding" decode_test_set
  run_stage 4 "evaluation" evaluate_systems
  run_stage 5 "packing" pack_model
}

check_options() {
  local override
  for override in "$@"; do
    [[ "$override" == *=* ]] || usage_error "unexpected argument '$override'; changes have the form key=value"
  done
  [ -f "$conf" ] || usage_error "$conf: no such configuration"
  [ -x "$utils/$backend.sh" ] || usage_error "unknown backend '$backend'; known backends: local, slurm"
  [ "$nj" -ge 1 ] || usage_error "--nj $nj; expected at least one process"
  [ "$n_gpus" -ge 0 ] || usage_error "--n_gpus $n_gpus; expected 0 or more"
  [ "$nodes" -ge 1 ] || usage_error "--nodes $nodes; expected at least one"
  if [ "$nodes" -gt 1 ]; then
    [ "$backend" = slurm ] || usage_error "--nodes $nodes with --backend $backend; only slurm has several nodes"
    [ "$n_gpus" -ge 1 ] || usage_error "--nodes $nodes without GPUs; pass --n_gpus, the GPUs of each node"
  fi
  [ -z "$card" ] || [ -f "$card" ] || usage_error "$card: no such model card"
}

# check_inputs: what the chosen stages will read, before anything is computed for it.
check_inputs() {
  local kinds="a checkpoint, a run's folder (exp/NAME), a model folder or a name that 'ondes models' lists"
  if chosen 1 && [ -n "$predicted" ]; then
    [ -d "$predicted" ] || fail "$predicted: no such folder; pass --predicted, the folder of the predicted features"
  fi
  chosen 2 || return 0
  # A run that has begun holds its weights itself.
  if [ -n "$init" ]; then
    [ -e "$init" ] || [ "$init" = "$(basename "$init")" ] || fail "$init: nothing to start from; pass --init PATH, $kinds"
  elif grep -Eq '^ +name: *turbo\b' "$conf" && ! compgen -G "$exp/checkpoints/*.pt" >/dev/null; then
    fail "$conf tunes a model that is trained already; pass --init PATH, $kinds"
  fi
}

# chosen NUMBER: whether this stage will run.
chosen() {
  [ "$stage" -le "$1" ] && [ "$1" -le "$stop_stage" ]
}

# run_stage NUMBER TITLE FUNCTION
run_stage() {
  if chosen "$1"; then
    echo "stage $1: $2"
    "$3"
  fi
}

default_checkpoint() {
  echo last
}

download_corpus() {
  echo "nothing to download"
}

# choose_utterances SOURCE TARGET COUNT LIST: those that the file LIST names, or COUNT spread evenly if LIST is empty.
choose_utterances() {
  if [ -n "$4" ]; then
    "$utils/subset_data.sh" --list "$4" 0 "$1" "$2"
  else
    "$utils/subset_data.sh" "$3" "$1" "$2"
  fi
}

extract_features() {
  local set options
  for set in train dev test; do
    if [ -n "$predicted" ]; then
      list_predicted "data/$set"
    fi
    options=(--statistics)
    if [ "$set" != train ]; then
      options=(--no-statistics)
    fi
    run_job 0 "$nj" "$dump/log/features_$set.log" \
      ondes features --config "$conf" --data "data/$set" --output "$dump" --nj "$nj" "${options[@]}" "${settings[@]}"
  done
}

# list_predicted DATA_DIR: write feats.scp; utterances without a file are reported by the training.
list_predicted() {
  local id
  while read -r id _; do
    if [ -f "$predicted/$id.npy" ]; then
      echo "$id $predicted/$id.npy"
    fi
  done <"$1/utt2spk" >"$1/feats.scp.tmp"
  mv "$1/feats.scp.tmp" "$1/feats.scp"
}

train_model() {
  local command=(ondes train --config "$conf" --exp "$exp")
  if [ "$resume" = true ]; then
    command+=(--resume)
  fi
  if [ -n "$init" ]; then
    command+=(--init "$init")
  fi
  command+=(--gpus "$n_gpus")
  if [ $((n_gpus * nodes)) -gt 1 ]; then
    command=("$utils/torchrun.sh" --nodes "$nodes" --processes "$n_gpus" "${command[@]}")
  fi
  command+=("${settings[@]}")
  launch_training "${command[@]}"
}

# launch_training COMMAND...: again, as long as a time limit of the cluster stops it after a checkpoint.
launch_training() {
  local status stopped="" options=(--kind train --gpus "$n_gpus" --threads "$nj" --nodes "$nodes")
  while true; do
    status=0
    rm -f "$exp/stopped.json"
    tell_log "$exp/log/train.log"
    guarded_job "$utils/$backend.sh" "${options[@]}" "$exp/log/train.log" "$@" || status=$?
    # A job that does not come further than the one before would be queued for ever.
    if [ "$status" -eq 0 ] || ! grep -qs SIGUSR1 "$exp/stopped.json" || [ "$stopped" = "$(cat "$exp/stopped.json")" ]; then
      return "$status"
    fi
    stopped="$(cat "$exp/stopped.json")"
    echo "the time limit of the job was reached: the training is queued again"
    set -- "$@" --resume
  done
}

decode_test_set() {
  local launcher=()
  if [ "$n_gpus" -gt 1 ]; then
    launcher=("$utils/torchrun.sh" --processes "$n_gpus")
  fi
  run_job "$n_gpus" "$nj" "$exp/log/decode.log" \
    ${launcher[@]+"${launcher[@]}"} ondes decode --exp "$exp" --checkpoint "$checkpoint" --data data/test --output "$exp/decode" --features "$dump" \
    --baselines "$baselines"
}

evaluate_systems() {
  local decoded="$exp/decode" baseline
  local options=(--gen "$(basename "$recipe")/$tag=$decoded/model")
  for baseline in ${baselines//,/ }; do
    options+=(--gen "$baseline=$decoded/$baseline")
  done
  if [ -n "$metrics" ]; then
    options+=(--metrics "$metrics")
  fi
  if [ -f published.yaml ]; then
    options+=(--published published.yaml)
  fi
  run_evaluation 0 "$nj" audio --ref "$decoded/reference" "${options[@]}" --natural --nj "$nj" \
    --note "copy-synthesis of data/test; configuration: $exp/config.yaml"
}

# run_evaluation GPUS THREADS KIND ARGUMENT...: 'ondes evaluate KIND' with its results in the folder of the run.
run_evaluation() {
  run_job "$1" "$2" "$exp/log/evaluate.log" ondes evaluate "${@:3}" --out "$exp/results.json" \
    --markdown "$exp/RESULTS.md" --title "${recipe#"$(dirname "$(dirname "$recipe")")"/}: $tag"
  echo "results: $recipe/$exp/RESULTS.md"
}

# model_command: how the packed model is used.
model_command() {
  echo "ondes synth --model $recipe/$exp/model INPUT --output OUTPUT"
}

pack_model() {
  # Recipes that need the model in stage 3 pack it there.
  if [ -n "$packed" ]; then
    echo "packed in this run: $recipe/$exp/model"
    return
  fi
  packed=true
  local options=(--checkpoint "$checkpoint")
  if [ -n "$card" ]; then
    options+=(--card "$card")
  fi
  run_job 0 1 "$exp/log/pack.log" \
    ondes pack --exp "$exp" --output "$exp/model" --force "${options[@]}"
  echo "model: $(model_command)"
}
