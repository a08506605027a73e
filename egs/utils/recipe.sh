# Begin a recipe; every run.sh sources it: recipe.sh PART..., where each PART names a file of this folder without `.sh`.
# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the parts
recipe="$(cd "$(dirname "$0")" && pwd)"
utils="$recipe/../../utils"
for part in "$@"; do
  # shellcheck source=/dev/null
  . "$utils/$part.sh"
done

# run_recipe ARGUMENT...: read the options, then run the stages.
run_recipe() {
  local changes=("")
  # shellcheck source=egs/utils/parse_options.sh
  . "$utils/parse_options.sh"
  run_stages "${changes[@]:1}" "$@"
}
