# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the examples share: where kvscope is, a scratch folder, and the mock. Expects $here, the folder of the script
# that reads this file. The mock is ended and the scratch folder removed however the script ends.

: "${here:?}"
B=${B:-$(cd "$here" && while [ ! -f Makefile ] && [ "$PWD" != / ]; do cd ..; done && pwd)/build}
B=$(cd "$B" 2>/dev/null && pwd)
kvscope=$B/kvscope
[ -x "$kvscope" ] || kvscope=$(command -v kvscope) || { echo "please type make first" >&2; exit 2; }
mock_pid=
scratch=$(mktemp -d) || exit 2

clean_up() {
	[ -z "$mock_pid" ] || { kill "$mock_pid" && wait "$mock_pid"; } 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start_mock OPTIONS...: sets $url.
start_mock() {
	"$kvscope" mock --port 0 "$@" >"$scratch/mock.out" &
	mock_pid=$!
	url=
	while [ -z "$url" ]; do
		kill -0 "$mock_pid" 2>/dev/null || { echo "the mock did not start" >&2; exit 2; }
		sleep 0.1
		url=$(sed -n 's/^listening on //p' "$scratch/mock.out")
	done
}
