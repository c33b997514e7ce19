#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts each installed engine in turn and compares the mock's profile of it, what a client sees and then the cached
# counts: tests/engines/check.sh [NAME...]. Engines that are not installed are skipped aloud.
# Exit status 1: a profile differs, or an engine did not start within ten minutes.
set -u

here=$(cd "$(dirname "$0")" && pwd)
cache=${KVSCOPE_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/kvscope-engines}
log=$(mktemp -d)
engine=
status=0
trap '[ -z "$engine" ] || kill "$engine"; rm -rf "$log"' EXIT
[ $# -gt 0 ] || set -- llama.cpp mlx-lm ollama vllm

# GET /v1/models answers 200.
answers() {
	curl -sf -o "$log/models" "http://127.0.0.1:$1/v1/models"
}

# Where install.sh has put it.
program() {
	case $1 in
	llama.cpp) echo "$cache/llama.cpp/bin/llama-server" ;;
	mlx-lm) echo "$cache/mlx/bin/mlx_lm.server" ;;
	*) echo "$cache/$1/bin/$1" ;;
	esac
}

for name; do
	if [ ! -x "$(program "$name")" ]; then
		echo "SKIPPED $name: not installed (tests/engines/install.sh)"
		continue
	fi
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	echo "== $name"
	"$here/serve.sh" "$name" "$port" >"$log/$name" 2>&1 &
	engine=$!
	tries=0
	until answers "$port"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ] || ! kill -0 "$engine" 2>/dev/null; then
			tail -n 20 "$log/$name"
			echo "$name did not start"
			status=1
			break
		fi
		sleep 1
	done
	model=smollm2
	[ "$name" = mlx-lm ] && model=default_model
	if answers "$port"; then
		python3 "$here/compare.py" "$name" "http://127.0.0.1:$port" --model "$model" || status=1
	fi
	kill "$engine" 2>/dev/null
	wait "$engine" 2>/dev/null
	engine=
done
python3 "$here/counts.py" "$@" || status=1
exit $status
