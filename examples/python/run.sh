#!/bin/sh
# SPDX-License-Identifier: MIT
# A chat of four turns with Python: see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"

start_mock --prefill-rate 2000 --decode-rate 100
"$kvscope" run -- python3 "$here/client.py" "$url" || exit
"$kvscope" report
