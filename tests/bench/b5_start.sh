#!/bin/sh
# SPDX-License-Identifier: MIT
# What a child costs to start: /bin/true bare, with hooks that only forward, wrapped. ROUNDS=N (default 9), COUNT=N (default 150)
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/start.py "${ROUNDS:-9}" "${COUNT:-150}"
