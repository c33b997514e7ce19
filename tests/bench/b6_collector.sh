#!/bin/sh
# SPDX-License-Identifier: MIT
# The collector from ring to trace on one core, over SHA-256: a session of TURNS requests (default 2000), ROUNDS times (default 3).
cd "$(dirname "$0")/../.." || exit 2
echo "b6: ring to trace on one core"
i=0
while [ "$i" -lt "${ROUNDS:-3}" ]; do
	"${B:-build}/tests/bench/collector" "${TURNS:-2000}" || exit 1
	i=$((i + 1))
done
if command -v openssl >/dev/null; then
	openssl speed -evp sha256 -bytes 1048576 -seconds 2 2>/dev/null | tail -1 | sed 's/^/  openssl speed -evp sha256, requests of 1 MB: /'
fi
