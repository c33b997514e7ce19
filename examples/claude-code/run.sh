#!/bin/sh
# SPDX-License-Identifier: MIT
# The real Claude Code, wrapped, against the mock, without a network: see README.md.
#
#   CLAUDE=/path/to/claude  use this one; else version $VERSION is fetched with npm into a cache folder
#   MODEL=NAME              default: claude-sonnet-4-5
set -u
here=$(cd "$(dirname "$0")" && pwd)

# ---- the client: two kinds of package, an executable or a script for Node
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvscope
version=${VERSION:-2.1.330}
case $(uname -m) in
x86_64) machine=x64 ;;
aarch64) machine=arm64 ;;
*) machine=$(uname -m) ;;
esac
# Older versions of npm bring the build for musl along, which cannot run here.
find_client() {
	for client in "$cache/claude-$version/node_modules/@anthropic-ai/claude-code-linux-$machine/claude" \
		"$cache/claude-$version"/node_modules/@anthropic-ai/claude-code/cli.js; do
		[ -f "$client" ] && return 0
	done
	return 1
}
client=${CLAUDE:-}
if [ -z "$client" ] && ! find_client; then
	echo "fetching Claude Code $version into $cache/claude-$version" >&2
	npm install --silent --no-audit --no-fund --prefix "$cache/claude-$version" \
		"@anthropic-ai/claude-code@$version" >&2
	find_client || { echo "cannot fetch Claude Code: set CLAUDE=/path/to/claude" >&2; exit 2; }
fi
[ -e "$client" ] || { echo "there is no $client" >&2; exit 2; }

# ---- its own network: loopback and nothing else. The mock, the client and kvscope all live in it.
if [ "${KVSCOPE_EXAMPLE_ISOLATED:-}" != 1 ]; then
	flags=-rn
	[ "$(id -u)" != 0 ] || flags=-n
	unshare "$flags" true 2>/dev/null ||
		{ echo "this needs a network namespace of its own, which this system does not allow" >&2; exit 2; }
	CLAUDE=$client KVSCOPE_EXAMPLE_ISOLATED=1 exec unshare "$flags" "$0"
fi
ip link set lo up || exit 2

# shellcheck source=examples/common.sh
. "$here/../common.sh"
start_mock --prefill-rate "${PREFILL_RATE:-10000}" --decode-rate "${DECODE_RATE:-100}" --script "$here/../scripts/bash-loop.json"

# ---- a project to work in, a home without settings, an environment without accounts
mkdir "$scratch/home" "$scratch/project"
cd "$scratch/project" || exit 2
git init -q .
echo 'hello' >README.md
case $client in
*.js) set -- node "$client" ;;
*) set -- "$client" ;;
esac
state=${XDG_STATE_HOME:-$HOME/.local/state}
env -i PATH="$PATH" HOME="$scratch/home" TERM=xterm LANG=C.UTF-8 IS_SANDBOX=1 XDG_STATE_HOME="$state" \
	ANTHROPIC_BASE_URL="$url" ANTHROPIC_API_KEY=sk-ant-example \
	CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1 \
	"$kvscope" run -- "$@" -p 'Please look around in this project.' --model "${MODEL:-claude-sonnet-4-5}" \
	--allowedTools Bash </dev/null || exit
"$kvscope" report
