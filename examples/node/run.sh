#!/bin/sh
# SPDX-License-Identifier: MIT
# Requests at the same time with Node: see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"

start_mock --prefill-rate 2000 --decode-rate 100
"$kvscope" run -- node "$here/client.mjs" "$url" || exit
"$kvscope" report
