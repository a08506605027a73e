# Options of the recipes for models of audio itself:
#   --seconds S      length of the generated samples
#   --num N          number of the generated samples
# shellcheck shell=bash disable=SC2154

# Sourced after vocoder_recipe.sh: the stages of a model that no features condition. There is nothing to
# extract (stage 1); stage 3 packs the model and generates; stage 4 measures bits per sample of the test set.
help_files=("$utils/generative_recipe.sh" "${help_files[@]/#"$utils/feature_options.sh"/}")
seconds=1.0
num=8
# shellcheck disable=SC2034  # read by vocoder_recipe.sh
baselines=""

model_command() {
  echo "ondes generate --model $recipe/$exp/model --num 4 --output FOLDER"
}

extract_features() {
  echo "no features are needed"
}

is_diffusion() {
  grep -Eq '^ +name: *diffusion\b' "$conf"
}

# best_likelihood: the default checkpoint of recipes that keep the best one, as the reference does. The loss of a diffusion model
# says little about its samples: there it is the last one.
best_likelihood() {
  if is_diffusion; then echo last; else echo best; fi
}

decode_test_set() {
  local -a files
  pack_model
  # Samples of an earlier state of the run would be mistaken for those of this one.
  rm -rf "$exp/generated"
  run_job "$((n_gpus > 0))" "$nj" "$exp/log/generate.log" \
    ondes generate --model "$exp/model" --seconds "$seconds" --num "$num" --seed 1 -o "$exp/generated"
  mapfile -t files < <(find "$exp/generated" -name '*.wav' | LC_ALL=C sort | head -n 8)
  run_job 0 1 "$exp/log/picture.log" ondes picture "${files[@]}" -o "$exp/generated.png"
  echo "samples: $recipe/$exp/generated, spectrograms: $recipe/$exp/generated.png"
}

evaluate_systems() {
  if is_diffusion; then
    echo "a diffusion model gives no likelihood; its validation loss is in $exp/metrics.jsonl"
    return
  fi
  run_evaluation "$((n_gpus > 0))" "$nj" likelihood --exp "$exp" --checkpoint "$checkpoint" --data data/test \
    --train data/train --note "configuration: $exp/config.yaml"
}
