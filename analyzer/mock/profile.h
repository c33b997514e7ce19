/* SPDX-License-Identifier: MIT */
#ifndef MOCK_PROFILE_H
#define MOCK_PROFILE_H

/*
 * What a client sees of an inference engine besides its answers, as a table of data (profiles.c): routes and what they
 * answer, headers, where the usage stands and which switch hides it, what its server does to a prompt, what its cache
 * keeps. `kvscope mock --engine NAME` serves one of them. Each says which version it imitates and whether it was
 * compared with the real server.
 */

#include "mock/render.h"
#include "mock/request.h"
#include "mock/settings.h"

#include <stdbool.h>
#include <stddef.h>

struct mock_call;

/* What an engine keeps unless it, or the command line, has another limit. */
#define MOCK_CACHE_TOKENS 262144
#define MOCK_CONTEXT_TOKENS 262144
/* Of an 8B model with grouped queries, 16 bits a value: 32 layers, 8 heads of 128, keys and values. */
#define MOCK_TOKEN_BYTES 131072

/* What depends on the model: the first entry whose name is a part of the model's counts. */
struct mock_minimum {
	const char *model; /* NULL ends a list */
	size_t tokens;     /* of a prefix that is kept */
};

/* Of a usage object of Anthropic's API. */
struct mock_usage {
	enum { INPUT_ABSENT, INPUT_NEW, INPUT_WHOLE } input;        /* input_tokens; NEW: less what is told as cached */
	enum { CACHED_ABSENT, CACHED_TOLD, CACHED_ABOVE_0 } cached; /* cache_read_input_tokens, if MOCK_REPORTS */
	/* cache_creation_input_tokens, if MOCK_REPORTS; BY_TTL: and cache_creation */
	enum { CREATION_ABSENT, CREATION_TOLD, CREATION_BY_TTL } creation;
	bool output;
};

/* Comment lines in a stream while there is no token yet. */
enum mock_keepalive { KEEPALIVE_NONE, KEEPALIVE_30S, KEEPALIVE_PROGRESS };

struct mock_route {
	const char *method, *path; /* NULL ends a list; a '*' at the end of a path stands for anything */
	enum mock_api api;
	void (*run)(struct mock_call *c); /* NULL: `text` alone is the answer */
	const char *text;                 /* a template (mock/template.h) */
	const char *type;                 /* of its content; NULL: JSON */
	unsigned needs; /* bits without which `refusal` is answered, or as if there were no such path */
	int refusal_status;
	const char *refusal; /* template */
};

/* Those that most servers have. */
#define MOCK_ROUTE_MESSAGES                                                                                            \
	{                                                                                                              \
		.method = "POST", .path = "/v1/messages", .api = MOCK_ANTHROPIC_MESSAGES, .run = mock_route_generate   \
	}
#define MOCK_ROUTE_COUNT_TOKENS                                                                                        \
	{                                                                                                              \
		.method = "POST", .path = "/v1/messages/count_tokens", .api = MOCK_ANTHROPIC_COUNT_TOKENS,             \
		.run = mock_route_count                                                                                \
	}
#define MOCK_ROUTE_CHAT(at)                                                                                            \
	{                                                                                                              \
		.method = "POST", .path = at, .api = MOCK_OPENAI_CHAT, .run = mock_route_generate                      \
	}

/* The cache of llama.cpp's server, which others have inside. */
#define MOCK_LLAMACPP_CACHE                                                                                            \
	.policy = POLICY_SLOTS, .kept = SIZE_MAX, .kept_bytes = (size_t)8192 << 20, .token_bytes = MOCK_TOKEN_BYTES,   \
	.similarity = 0.1

struct mock_metric {
	const char *name, *type, *help; /* NULL ends a list */
	enum {
		METRIC_ANSWERED,
		METRIC_REFUSED,
		METRIC_ABORTED,
		METRIC_RUNNING,
		METRIC_WAITING,
		METRIC_PROMPT_TOKENS,
		METRIC_CACHED_TOKENS,
		METRIC_PREFILLED_TOKENS,
		METRIC_PREFILL_SECONDS,
		METRIC_OUTPUT_TOKENS,
		METRIC_CACHE_USED,
		METRIC_CACHE_CAPACITY,
	} value;
};

struct mock_profile {
	const char *name;
	const char *title;   /* of its documentation */
	const char *version; /* that is imitated, and what it says of itself unless told otherwise */
	const char *checked; /* the real server it was compared with; NULL: none */

	/* HTTP */
	const char *headers; /* of every response */
	const char *json_type, *stream_type, *stream_headers;
	const char *messages_stream_headers;      /* of Anthropic's API; NULL: the same */
	const char *error_type;                   /* of the content of an error; NULL: json_type */
	bool http10, unread_resets, errors_close; /* net/http_server.h */
	bool late_head;                           /* a stream's head comes with its first token */
	int unknown_status;                       /* of paths that are not there */
	const char *unknown, *unknown_type;       /* templates; NULL: an error of the API */
	const char *error, *openai_error;         /* templates of errors of either API; NULL: as the API has it */
	int invalid_status;                       /* of a body that is no request of Anthropic's API; 0: 400 */
	const char *invalid;                      /* ... of a body that is no request; NULL: like other errors */

	/* The command line */
	struct mock_settings settings; /* when started without flags */
	const struct mock_switch *switches;
	enum mock_overflow overflow;
	size_t spare;         /* tokens of the context that a prompt must leave */
	const char *too_long; /* template of what is refused, with $tokens and $context */

	/* Prompt and cache */
	struct mock_rendering rendering;
	const struct mock_minimum *minimums; /* before the cache's; NULL: none */
	const char *salts[3];                /* members of a request that separate caches; NULL ends */
	bool salt_on_messages;               /* also of Anthropic's API */
	bool cache_prompt;                   /* OpenAI's requests may switch reuse off */

	/* The wire */
	struct mock_usage at_start, at_end;
	bool ping;
	bool no_tool_input; /* the start of a tool call has no input */
	/* stop_reason and stop_sequence: also while null; only in a stream; never */
	enum { STOP_NULLS, STOP_NULLS_STREAMED, STOP_NO_NULLS } stop_nulls;
	bool whole_id;                   /* Anthropic's messages have ids of OpenAI's form */
	bool timings;                    /* llama.cpp's, of its OpenAI API */
	const char *fingerprint;         /* template of OpenAI's system_fingerprint; NULL: none */
	const char *openai_usage_object; /* of the chunk with the usage; NULL: as the others */
	enum mock_keepalive keepalive;

	const struct mock_route *routes;
	const struct mock_metric *metrics;
};

/* One file each, profile_NAME.c. */
extern const struct mock_profile mock_profile_own, mock_profile_llamacpp, mock_profile_vllm, mock_profile_sglang,
	mock_profile_mlx, mock_profile_lmstudio, mock_profile_ollama, mock_profile_anthropic, mock_profile_openai;
/* All of them, the mock's own first; NULL-terminated. */
extern const struct mock_profile *const mock_profiles[];

/* The shortest prefix that is kept for this model. */
size_t mock_profile_minimum(const struct mock_profile *p, const char *model);
/* The content type of an error. */
const char *mock_profile_error_type(const struct mock_profile *p);
/* Of "NAME" or "NAME@VERSION", with the version that is to be told. NULL: no such name. */
const struct mock_profile *mock_profile_named(const char *name, const char **version);
/* The routes' functions, which answer a call now or start what will: mock/routes.c and, for answers, mock/mock.c. */
void mock_route_generate(struct mock_call *c);
void mock_route_count(struct mock_call *c);
void mock_route_metrics(struct mock_call *c);
void mock_route_tokenize(struct mock_call *c);
void mock_route_apply_template(struct mock_call *c);
void mock_route_reset(struct mock_call *c);
void mock_route_unload(struct mock_call *c);
void mock_route_slots(struct mock_call *c);
void mock_route_slot_erase(struct mock_call *c);

#endif
