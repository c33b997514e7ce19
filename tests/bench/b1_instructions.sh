#!/bin/sh
# SPDX-License-Identifier: MIT
# How many instructions Claude Code's own process executes in a session with tools, recorded over bare, counted by qemu's
# emulation of user programs, since many machines count none. Children run natively and are not counted. A session takes
# some 40 s of CPU.
#   PAIRS=N (default 3), VERSION=... (default 2.1.112, which runs under Node)
#
# By itself: make all test-programs build/emulated/libkvscope.so build/tests/bench/qemu/count.so, then this.
cd "$(dirname "$0")/../.." || exit 2
exec python3 -B tests/bench/claude_instructions.py "${VERSION:-2.1.112}" "${PAIRS:-3}"
