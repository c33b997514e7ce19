# SPDX-License-Identifier: MIT
"""Runs a command and writes what it and its children used: usage.py FILE COMMAND... (CPU seconds, peak kB of the largest)."""
import json
import os
import subprocess
import sys

process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
with open(sys.argv[1], "w", encoding="ascii") as f:
    json.dump({"cpu": used.ru_utime + used.ru_stime, "peak_kb": used.ru_maxrss}, f)
sys.exit(os.waitstatus_to_exitcode(status))
