# Environment of every recipe: the `ondes` command.
# shellcheck shell=bash
environment="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.venv/bin"
if ! command -v ondes >/dev/null && [ -x "$environment/ondes" ]; then
  PATH="$environment:$PATH"
fi
if ! command -v ondes >/dev/null; then
  echo "error: no 'ondes' command; run 'make' in the repository's root, or activate the environment it is in" >&2
  exit 2
fi
