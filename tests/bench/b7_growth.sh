#!/bin/sh
# SPDX-License-Identifier: MIT
# What `why`, `report` and `diff` take for a session of up to 2,000 turns with a context of a megabyte, and how that and
# their peak memory grow with the turns: where nothing misses, and where every prompt changes at its head.
#   CONTEXT=BYTES (default 1000000), TURNS="N..." (default 250 500 1000 2000), ONLY=WORD (cases that have it in their name),
#   COUNT=1 (instructions by valgrind's callgrind beside the seconds: slow, and the same on a busy machine)
cd "$(dirname "$0")/../.." || exit 2
echo "b7: a context of ${CONTEXT:-1000000} bytes"
# shellcheck disable=SC2086
exec python3 -B tests/bench/growth.py "${CONTEXT:-1000000}" ${TURNS:-250 500 1000 2000}
