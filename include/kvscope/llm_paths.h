/* SPDX-License-Identifier: MIT */
#ifndef KVSCOPE_LLM_PATHS_H
#define KVSCOPE_LLM_PATHS_H

/*
 * The HTTP paths that make a connection worth recording: KVS_LLM_PATHS(X) calls X(API, PATH) for each. A request
 * belongs to the first entry whose PATH its path (without query) ends with, so that gateways with a prefix of their own
 * are found too; longer paths stand before those they end with.
 *
 * Shared by the shim (promotion of a connection) and the analyzer (dialect). An API without a dialect in the analyzer
 * is recorded by path, size and time.
 */
#define KVS_LLM_PATHS(X)                                                                                               \
	X(ANTHROPIC_COUNT_TOKENS, "/messages/count_tokens")                                                            \
	X(ANTHROPIC_MESSAGES, "/v1/messages")                                                                          \
	X(OPENAI_CHAT, "/chat/completions")                                                                            \
	X(OPENAI_COMPLETIONS, "/completions")                                                                          \
	X(OPENAI_RESPONSES, "/v1/responses")                                                                           \
	X(OPENAI_EMBEDDINGS, "/v1/embeddings")                                                                         \
	X(OLLAMA_CHAT, "/api/chat")                                                                                    \
	X(OLLAMA_GENERATE, "/api/generate")                                                                            \
	X(LLAMACPP_COMPLETION, "/completion")                                                                          \
	X(LMSTUDIO_CHAT, "/api/v1/chat")

enum kvs_llm_api {
	KVS_API_NONE = 0,
#define KVS_API_ENUM(api, path) KVS_API_##api,
	KVS_LLM_PATHS(KVS_API_ENUM)
#undef KVS_API_ENUM
		KVS_API_COUNT
};

#endif
