#!/bin/sh
# SPDX-License-Identifier: MIT
# What wrapping costs Claude Code: wall time, CPU, memory and instructions of a session with tools, wrapped over bare, in pairs.
#   PAIRS=N (default 10), VERSION=... (default 2.1.330)
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/claude_pairs.py "${VERSION:-2.1.330}" "${PAIRS:-10}"
