# Why a job failed; sourced by local.sh and slurm.sh.

# show_failure LOG FIRST: print the job's lines "error: ..." with the indented ones below (each once: the processes of a
# training say the same, and torchrun adds pages), or its last lines where it has none. FIRST is the number of its first
# line in the log.
show_failure() {
  local errors
  errors="$(tail -n "+$2" "$1" | awk '!/^  / { shown = /^error: / && !seen[$0]++ } shown' | head -n 20)"
  if [ -n "$errors" ]; then
    echo "$errors" >&2
  else
    tail -n "+$2" "$1" | tail -n 20 >&2
  fi
}
