#!/bin/sh
# SPDX-License-Identifier: MIT
# Four requests with curl: see README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=examples/common.sh
. "$here/../common.sh"

start_mock --prefill-rate 2000 --decode-rate 100

# One system prompt, four questions: the mock has to prefill the system prompt once only.
system=$(i=0; while [ $i -lt 60 ]; do echo "Rule $i: answer in one short sentence and be sure of it."; i=$((i + 1)); done)
n=0
for question in 'What is a prefix cache?' 'What is prefill?' 'What is decode?' 'What is TTFT?'; do
	n=$((n + 1))
	jq -n --arg system "$system" --arg question "$question" \
		'{model: "claude-sonnet-4-5", max_tokens: 64, stream: true, system: $system,
		  messages: [{role: "user", content: $question}]}' >"$scratch/body-$n.json"
done
cat >"$scratch/ask.sh" <<EOF
for n in 1 2 3 4; do
	curl -sS --no-progress-meter -o /dev/null -w 'curl: status %{http_code}, done after %{time_total} s\n' \\
		-H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' -H 'x-api-key: sk-ant-example' \\
		--data-binary "@$scratch/body-\$n.json" '$url/v1/messages'
done
EOF

"$kvscope" run -- sh "$scratch/ask.sh" || exit
"$kvscope" report
