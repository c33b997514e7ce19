#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Claude Code 2.1.330 through the relay to a server that speaks TLS: every request is captured byte for byte."""
import claude

claude.relayed("2.1.330", "claude-opus-4-8")
