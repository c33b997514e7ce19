#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a session of the real Claude Code 2.1.330 costs in seconds, and what a cache that holds saves."""
import claude_seconds

claude_seconds.test("2.1.330")
