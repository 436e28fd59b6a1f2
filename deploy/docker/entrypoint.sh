#!/bin/sh
# A Beam runner starts its workers with --id or --worker_pool; these arguments are for Beam's own entry point. All other
# arguments are for the command line: docker run onrecord:0.1.0 query 'select ...'
set -eu

# The settings of pipeline/run/malloc.py, which Beam's worker does not call: return freed memory to the system.
export ARROW_DEFAULT_MEMORY_POOL="${ARROW_DEFAULT_MEMORY_POOL:-system}"
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}"
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-131072}"
export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-131072}"

case " $* " in
*" --id="* | *" --id "* | *" --worker_pool"*)
  # There is one worker per processor, so thread pools of numpy and Arrow would only compete for it.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  exec "${BEAM_BOOT:-/opt/apache/beam/boot}" "$@" ;;
*) exec onrecord "$@" ;;
esac
