#!/bin/sh
# SPDX-License-Identifier: MIT
# What single calls cost: on descriptors that nobody follows, and recorded ones. ROUNDS=N (default 9)
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/calls.py "${ROUNDS:-9}"
