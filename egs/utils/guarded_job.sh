# Jobs that end with the script that waits for them; sourced by such scripts.
# shellcheck shell=bash

# guarded_job COMMAND...: run a command, which any signal that ends this script ends too. A shell that waits for a command in
# the foreground puts off SIGINT until the end, so the command runs beside it, with the terminal's Ctrl-C and input as usual.
guarded_job() {
  local guard=() job status interrupted=true
  if setpriv --pdeathsig TERM true 2>/dev/null; then
    guard=(setpriv --pdeathsig TERM)
  fi
  (
    trap - INT QUIT
    exec ${guard[@]+"${guard[@]}"} "$@"
  ) <&0 &
  job=$!
  # shellcheck disable=SC2064  # the job of now
  trap "interrupted=true; _end_job $job" INT
  while [ -n "$interrupted" ]; do
    interrupted=""
    status=0
    wait "$job" || status=$?
  done
  trap - INT
  return "$status"
}

# _end_job PID: a Ctrl-C has reached the job too, and some seconds are enough; a signal to this script alone has not.
_end_job() {
  local tenths
  for tenths in {1..30}; do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -TERM "$1" 2>/dev/null || true
}
