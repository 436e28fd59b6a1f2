#!/bin/sh
# A Beam runner starts its workers with --id or --worker_pool, which are for Beam's own entry point; all else is for
# the command line: docker run onrecord:0.1.0 query 'select ...'
set -eu
case " $* " in
*" --id="* | *" --id "* | *" --worker_pool"*) exec "${BEAM_BOOT:-/opt/apache/beam/boot}" "$@" ;;
*) exec onrecord "$@" ;;
esac
