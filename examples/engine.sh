# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# What the examples of engines share. A script sets $here and $api (messages or chat; marked: messages with cache_control on
# the system prompt), reads common.sh and then this file, and calls engine_example with the server's URL (empty: the mock
# imitates the engine) and the mock's options. $engine, if set, is what kvscope is told of the server.

: "${here:?}" "${api:?}" "${kvscope:?}" "${scratch:?}"

# Keys go to curl in a file, so that they stand on no command line.
write_keys() (
	umask 077
	{
		echo 'anthropic-version: 2023-06-01'
		[ -z "${ANTHROPIC_API_KEY:-}" ] || echo "x-api-key: $ANTHROPIC_API_KEY"
		[ -z "${OPENAI_API_KEY:-}" ] || echo "Authorization: Bearer $OPENAI_API_KEY"
	} >"$scratch/keys"
)

# What the server calls its model: the first one of its list.
model_of() {
	curl -sS --max-time 20 -H "@$scratch/keys" "$1/v1/models" | jq -r '.data[0].id // "default_model"'
}

# Three questions with the same system prompt, by curl: the second and third should find it in the cache.
write_requests() {
	system=$(i=0; while [ $i -lt "${RULES:-40}" ]; do echo "Rule $i: answer in one short sentence and be sure of it."; i=$((i + 1)); done)
	n=0
	for question in 'What is a prefix cache?' 'What is prefill?' 'What is decode?'; do
		n=$((n + 1))
		if [ "$api" != chat ]; then
			jq -n --argjson marked "$([ "$api" = marked ] && echo true || echo false)" --arg model "$model" --arg system "$system" --arg question "$question" \
				'{model: $model, max_tokens: 8, stream: true,
				  system: (if $marked then [{type: "text", text: $system, cache_control: {type: "ephemeral"}}]
				           else $system end),
				  messages: [{role: "user", content: $question}]}' >"$scratch/body-$n.json"
		else
			jq -n --arg model "$model" --arg system "$system" --arg question "$question" \
				'{model: $model, max_tokens: 8, stream: true, stream_options: {include_usage: true},
				  messages: [{role: "system", content: $system}, {role: "user", content: $question}]}' \
				>"$scratch/body-$n.json"
		fi
	done
	path=/v1/messages
	[ "$api" != chat ] || path=/v1/chat/completions
	cat >"$scratch/ask.sh" <<EOF
for n in 1 2 3; do
	curl -sS --no-progress-meter -o /dev/null -H 'Content-Type: application/json' -H '@$scratch/keys' \\
		--data-binary "@$scratch/body-\$n.json" '$url$path'
done
EOF
}

engine_example() {
	url=$1
	shift
	if [ -z "$url" ]; then
		echo "no URL given: the mock imitates the engine"
		start_mock --prefill-rate 8000 --decode-rate 400 "$@"
	fi
	url=${url%/}
	write_keys
	model=$(model_of "$url") || exit 2
	[ "${MODEL:-}" = "" ] || model=$MODEL
	write_requests
	"$kvscope" run -o "$scratch/trace.jsonl" -- sh "$scratch/ask.sh" || exit
	"$kvscope" report "$scratch/trace.jsonl"
	echo
	"$kvscope" bench --backend "$url" --model "$model" --system-tokens "${SYSTEM_TOKENS:-1000}" --max-tokens 4 \
		--repeat "${REPEAT:-1}" ${engine:+--engine "$engine"}
}
