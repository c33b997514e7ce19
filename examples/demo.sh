#!/bin/sh
# SPDX-License-Identifier: MIT
# `make demo`: a session of the example agent, wrapped; its report; where its trace is. CLAUDE=1 takes the real Claude Code
# in its place, CLAUDE=/path/to/claude that one.
set -u
here=$(cd "$(dirname "$0")" && pwd)

case ${CLAUDE:-} in
'' | 0) ;;
1) CLAUDE='' exec "$here/claude-code/run.sh" ;;
*) exec "$here/claude-code/run.sh" ;;
esac

# shellcheck source=examples/common.sh
. "$here/common.sh"
# A backend of modest speed whose cache holds one conversation: when the second agent has had its turn, part of the
# first one's prompt must be prefilled again. Look for it in the report: new is small there, cached is not all the rest.
start_mock --prefill-rate 1000 --decode-rate 40 --cache-tokens 8192 --script "$here/agent/script.json"
echo "A mock backend listens on $url. The example agent runs under kvscope:"
echo
"$kvscope" run -- "$B/examples/agent" --base-url "$url" || exit
echo
"$kvscope" report
