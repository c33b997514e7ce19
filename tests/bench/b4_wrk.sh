#!/bin/sh
# SPDX-License-Identifier: MIT
# Requests per second of wrk against nginx: bare, bare again, with hooks that only forward, watched, recorded, under strace.
#   PAIRS=N (default 9), SECONDS_EACH=N (default 2), ARMS="bare again,watched" (default: all)
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/wrk.py "${PAIRS:-9}" "${SECONDS_EACH:-2}" "${ARMS:-}"
