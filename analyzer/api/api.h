/* SPDX-License-Identifier: MIT */
#ifndef API_API_H
#define API_API_H

/*
 * The dialects of the language-model APIs: which path belongs to which API, and what a response means.
 *
 * A response is read as it comes. For a stream the caller hands over each server-sent event with the time of the
 * receive that completed it; for anything else the whole body at once. The reader fills the exchange's response and its
 * stamps message_start and first_content. It keeps no text.
 *
 * First content is the first delta with something in it, or the start of a tool's call; an empty delta is not content.
 * message_start of an OpenAI stream is its first chunk that is no error and no report on the progress of the prefill.
 * usage_end is that of the last message_delta or chunk that had any: an Anthropic stream that
 * breaks off before its first message_delta has none. A body has no stamps.
 */

#include "base/str.h"
#include "exchange.h"

/* By the ending of the path (without query); KVS_API_NONE for others. */
enum kvs_llm_api api_of_path(struct str path);
/* "anthropic.messages", "anthropic.count_tokens", "openai.chat", …, as in the trace; NULL for KVS_API_NONE. */
const char *api_name(enum kvs_llm_api api);
enum kvs_llm_api api_from_name(struct str name);
/* Has a dialect: its prompts and responses are understood. */
bool api_has_dialect(enum kvs_llm_api api);

/* One server-sent event. name is empty where the event had none. `x->response` and `x->times` take what it says. */
void api_response_event(struct exchange *x, struct str name, struct str data, uint64_t time_ns);
/* A response that is no stream, whole. Sets x->response.error for a body that says it is an error. */
void api_response_body(struct exchange *x, struct str body, uint64_t time_ns);
/* Engine by its response headers ("Server: llama.cpp"); sets x->response.engine if it is still unknown. */
void api_engine_from_headers(struct exchange *x);

#endif
