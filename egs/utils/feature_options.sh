# Options of features and their evaluation:
#   --dump DIR       F0 and statistics; configurations with one front end share it
#   --predicted DIR  train on, and decode, features that an acoustic model predicted: DIR/UTTERANCE.npy (bands, frames)
#   --baselines LIST systems beside the model: griffin-lim,world
#   --metrics LIST   metrics of the evaluation, separated by commas (default: those of 'ondes evaluate audio')
# shellcheck shell=bash

# The help of these options alone; recipes without features leave it out. Their defaults are in vocoder_recipe.sh.
