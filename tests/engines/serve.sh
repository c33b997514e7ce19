#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts an engine that tests/engines/install.sh has installed, on 127.0.0.1: tests/engines/serve.sh NAME PORT [ARGS...]
# It stays in the foreground. Further arguments are the engine's.
set -eu

cache=${KVSCOPE_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/kvscope-engines}
name=$1 port=$2
shift 2
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1
# mlx_lm.server lists the models of this folder, and fails to answer without it.
export HF_HOME="$cache/hf"
mkdir -p "$cache/hf/hub" "$cache/slots"

case $name in
llama.cpp)
	exec "$cache/llama.cpp/bin/llama-server" -m "$cache/smollm2.gguf" --alias smollm2 -c 32768 \
		--override-kv llama.context_length=int:32768 --chat-template-file "$cache/chat-template.jinja" \
		--host 127.0.0.1 --port "$port" -np 1 --cache-ram 0 --metrics --slot-save-path "$cache/slots" \
		-t "$(nproc)" "$@"
	;;
mlx-lm)
	exec "$cache/mlx/bin/mlx_lm.server" --model "$cache/smollm2-1layer-hf" --host 127.0.0.1 --port "$port" \
		--max-tokens 512 "$@"
	;;
vllm)
	export VLLM_SERVER_DEV_MODE=1 VLLM_CPU_KVCACHE_SPACE=2
	exec "$cache/vllm/bin/vllm" serve "$cache/smollm2-hf" --served-model-name smollm2 --host 127.0.0.1 \
		--port "$port" --dtype bfloat16 --max-model-len 32768 --max-num-seqs 4 --enforce-eager \
		--enable-prompt-tokens-details --enable-auto-tool-choice --tool-call-parser hermes \
		--chat-template "$cache/smollm2-hf/chat_template.jinja" "$@"
	;;
ollama)
	# Its settings are variables: NAME=VALUE for each.
	exec env HOME="$cache/ollama" OLLAMA_HOST="127.0.0.1:$port" OLLAMA_CONTEXT_LENGTH=8192 OLLAMA_KEEP_ALIVE=-1 \
		OLLAMA_NUM_PARALLEL=1 OLLAMA_NO_CLOUD=1 OLLAMA_DEBUG=1 "$@" "$cache/ollama/bin/ollama" serve
	;;
*)
	echo "serve.sh: there is no engine \"$name\": llama.cpp, mlx-lm, ollama or vllm" >&2
	exit 2
	;;
esac
