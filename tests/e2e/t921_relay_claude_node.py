#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The real Claude Code 2.1.112 through the relay to a server that speaks TLS: every request is captured byte for byte."""
import claude

claude.relayed("2.1.112", "claude-sonnet-4-5")
