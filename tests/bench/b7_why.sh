#!/bin/sh
# SPDX-License-Identifier: MIT
# Seconds and peak memory of `kvscope why` on a session of up to 2,000 turns with a context of a megabyte, and how both
# grow with the turns.
#   CONTEXT=BYTES (default 1000000), TURNS="N..." (default 250 500 1000 2000)
cd "$(dirname "$0")/../.." || exit 2
echo "b7: why on a context of ${CONTEXT:-1000000} bytes"
# shellcheck disable=SC2086
exec python3 -B tests/bench/why_growth.py "${CONTEXT:-1000000}" ${TURNS:-250 500 1000 2000}
