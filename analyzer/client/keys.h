/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_KEYS_H
#define CLIENT_KEYS_H

/*
 * The keys that a backend may want: ANTHROPIC_API_KEY (sent as x-api-key), ANTHROPIC_AUTH_TOKEN and OPENAI_API_KEY
 * (sent as Authorization: Bearer). A request of Anthropic's API gets Anthropic's keys, one of OpenAI's API OpenAI's, a
 * plain GET both; hosts of anthropic.com and openai.com get their own alone. With none of these libcurl looks the host
 * up in ~/.netrc and sends what it finds there as HTTP basic authentication.
 *
 * A key goes into a request's headers and nowhere else: keys_hide and keys_hide_basic overwrite it where a server
 * echoes it.
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
/* Is there a key among these headers? */
bool keys_among(const struct curl_slist *headers);
/* Overwrites every key in these bytes with asterisks. */
void keys_hide(const struct client_keys *k, char *p, size_t n);

/* What libcurl sent of ~/.netrc: the header's value, and the password in it. */
struct basic_keys {
	char *value, *password; /* NULL: nothing */
};
/* Looks for it in the head of a request that was sent. */
void keys_note_basic(struct basic_keys *k, struct str head);
void keys_hide_basic(const struct basic_keys *k, char *p, size_t n);
void basic_keys_release(struct basic_keys *k);

#endif
