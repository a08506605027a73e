# Options of the recipes for effects:
#   --audio_dir DIR  dry recordings (wav, flac, ogg, mp3; any rate), searched recursively
#   --pairs_dir DIR  recorded pairs instead, for configurations without a processor, see 'ondes prepare pairs'
#   --num_dev N      recordings for validation
#   --num_test N     recordings for the evaluation: audio that was not heard in training
#   --items N        renderings in each cell of the evaluation
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: the stages of an effect. There is nothing to extract (stage 1); stage 3
# packs the model and plays the test set; stage 4 compares it with the true effect in four cells.
help_files=("$utils/effect_recipe.sh" "${help_files[@]/#"$utils/feature_options.sh"/}")
# shellcheck disable=SC2034  # read by vocoder_recipe.sh
n_gpus=0
nj=1
audio_dir=""
pairs_dir=""
num_dev=6
num_test=12
items=24

prepare_data() {
  if [ -n "$pairs_dir" ]; then
    [ -d "$pairs_dir" ] || fail "$pairs_dir: no such folder; pass --pairs_dir, the folder of the recorded pairs"
    run_job 0 "$nj" data/log/prepare.log ondes prepare pairs "$pairs_dir" data --config "$conf"
    return
  fi
  [ -n "$audio_dir" ] || fail "no audio; pass --audio_dir, a folder of dry recordings"
  [ -d "$audio_dir" ] || fail "$audio_dir: no such folder; pass --audio_dir, a folder of dry recordings"
  [ "$num_dev" -ge 1 ] && [ "$num_test" -ge 1 ] || fail "--num_dev $num_dev, --num_test $num_test; both must be at least 1"
  run_job 0 "$nj" data/log/prepare.log \
    ondes prepare folder "$audio_dir" data --dev "$num_dev" --test "$num_test" --nj "$nj"
}

model_command() {
  echo "ondes effect --model $recipe/$exp/model INPUT --output OUTPUT"
}

extract_features() {
  echo "no features are needed"
}

# true_effect: name of the effect that is learned; empty for recorded pairs.
true_effect() {
  sed -n 's/^ *processor: *\([a-z0-9_]*\).*/\1/p' "$conf" | head -n 1
}

decode_test_set() {
  pack_model
  mapfile -t files < <(cut -d' ' -f2- data/test/wav.scp | head -n 8)
  run_job 0 1 "$exp/log/effect.log" \
    ondes effect "${files[@]}" --model "$exp/model" -o "$exp/rendered" --force
  echo "test recordings through the model, knobs at their defaults: $recipe/$exp/rendered"
}

evaluate_systems() {
  local effect
  effect="$(true_effect)"
  if [ -z "$effect" ]; then
    run_evaluation 0 1 pairs "$exp/model" --data data/test --note "recorded pairs of data/test"
  else
    run_evaluation 0 1 effect "$(basename "$recipe")/$tag=$exp/model" --true "$effect" --train data/train \
      --data data/test --items "$items" --note "configuration: $exp/config.yaml"
  fi
}
