# Command line options for the scripts in egs; source it after the defaults are set.
#
# `--some-name value` or `--some_name value` sets the variable `some_name`. An option exists if the variable is set and
# the help names it, so none can be undocumented. A default decides the type: whole numbers take whole numbers only;
# where it is true or false, the option alone means true. `--help` prints the header of the script, and of the files in
# the array `help_files`, with the defaults in brackets. What follows the options stays in "$@"; where the array `changes`
# is set, key=value may stand between options and is collected there. Wrong usage exits with 2.
# shellcheck shell=bash disable=SC2154

_print_help() {
  local file line name
  for file in "$0" ${help_files[@]+"${help_files[@]}"}; do
    [ -n "$file" ] || continue
    awk 'NR == 1 && /^#!/ { next } !/^#/ { exit } !/^# shellcheck/ { sub(/^# ?/, ""); print }' "$file"
    echo
  done | while IFS= read -r line; do
    name=""
    if [[ "$line" =~ ^\ \ --([a-z_-]+)\  ]]; then
      name="${BASH_REMATCH[1]//-/_}"
    fi
    if [ -n "$name" ] && [ -n "${!name:-}" ]; then
      line+=" [${!name#"${recipe:-}/"}]"
    fi
    printf '%s\n' "$line"
  done
}

usage_error() {
  echo "error: $1" >&2
  echo "$(grep -m 1 '^Usage:' <<<"$_help"); see --help" >&2
  exit 2
}

_help="$(_print_help)"
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help)
      echo "$_help"
      exit 0
      ;;
    --)
      shift
      break
      ;;
    --*)
      _name="${1#--}"
      _name="${_name//-/_}"
      if ! [[ "$_name" =~ ^[a-z][a-z0-9_]*$ && -v "$_name" ]] || ! grep -Eqw -e "--$_name" <<<"$_help"; then
        usage_error "unknown option '$1'"
      fi
      _default="${!_name}"
      if [[ "$_default" =~ ^(true|false)$ && ! "${2:-}" =~ ^(true|false)$ ]]; then
        printf -v "$_name" true
        shift
        continue
      fi
      [ $# -gt 1 ] || usage_error "option '$1' needs a value"
      if [[ "$_default" =~ ^-?[0-9]+$ && ! "$2" =~ ^-?[0-9]+$ ]]; then
        usage_error "option '$1' needs a whole number, found '$2'"
      fi
      printf -v "$_name" '%s' "$2"
      shift 2
      ;;
    -?*)
      usage_error "unknown option '$1'"
      ;;
    *=*)
      [ -n "${changes+set}" ] || break
      changes+=("$1")
      shift
      ;;
    *)
      break
      ;;
  esac
done
unset _name _default
