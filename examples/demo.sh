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
start_mock --prefill-rate 1500 --decode-rate 60 --script "$here/agent/script.json"
echo "a mock backend listens on $url; the agent runs under kvscope:"
"$kvscope" run -- "$B/examples/agent" --base-url "$url" || exit
echo
"$kvscope" report
