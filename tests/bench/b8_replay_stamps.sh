#!/bin/sh
# SPDX-License-Identifier: MIT
# The replay client's own overhead: its seconds to the first token against those that the mock logs for the same request,
# with 1 and with 64 lineages at a time.
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/replay_stamps.py
