/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_KEYS_H
#define CLIENT_KEYS_H

/*
 * The keys that a backend may want: ANTHROPIC_API_KEY (sent as x-api-key), ANTHROPIC_AUTH_TOKEN and OPENAI_API_KEY
 * (sent as Authorization: Bearer). A request of Anthropic's API gets Anthropic's keys, one of OpenAI's API OpenAI's, a
 * plain GET both; hosts of anthropic.com and openai.com get their own alone. With none in the environment libcurl looks
 * the host up in ~/.netrc.
 *
 * A key goes into a request's headers and nowhere else: keys_hide overwrites it where a server echoes it.
 */

#include "client/base_url.h"
#include "kvscope/llm_paths.h"

#include <curl/curl.h>

struct client_keys {
	char *anthropic, *anthropic_token, *openai; /* NULL: not set */
};

void keys_from_environment(struct client_keys *k);
void keys_release(struct client_keys *k);
/* Appends the headers for this request. NULL (the list is freed): no memory. */
struct curl_slist *keys_headers(const struct client_keys *k, const struct base_url *base, enum kvs_llm_api api,
				struct curl_slist *list);
/* Overwrites every key in these bytes with asterisks. */
void keys_hide(const struct client_keys *k, char *p, size_t n);

#endif
