#!/bin/sh
# SPDX-License-Identifier: MIT
# How large the trace of a session of 200 turns is, per MB that the client sent: the example agent, and Claude Code.
#   TURNS=N (default 200), VERSION=... (default 2.1.330)
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/trace_size.py "${VERSION:-2.1.330}" "${TURNS:-200}"
