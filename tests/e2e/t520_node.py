#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Node through `kvscope run`: fetch and http, parallel and kept alive."""
import shutil

import lib

if not shutil.which("node"):
    lib.Test.skip_all("there is no node")
t = lib.Test()
for kind in "fetch", "http":
    t.bare_and_wrapped(kind, lambda url, kind=kind: ["node", lib.CLIENTS / "client.mjs", url, kind], ordered=False)
t.done()
