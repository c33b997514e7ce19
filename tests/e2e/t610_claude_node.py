#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Claude Code 2.1.112, the Node build, wrapped: every request is captured byte for byte."""
import claude

claude.test("2.1.112")
