#!/bin/sh
# What the relay of `kvscope run --upstream` adds to latency and takes from throughput, in turn with the direct way.
#
#   PAIRS=N      measurements of each kind (default 200)
exec python3 "$(dirname "$0")/relay_pairs.py" "${PAIRS:-200}"
