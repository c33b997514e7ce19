/* SPDX-License-Identifier: MIT */
#include "client/keys.h"

#include "trace/base64.h"

#include <stdlib.h>

/* A shorter one would be found everywhere. */
#define KEY_HIDDEN_MIN 8

/* One that could break out of its header line is none. */
static char *key_of(const char *variable)
{
	const char *value = getenv(variable);
	if (!value || !*value || strpbrk(value, "\r\n"))
		return NULL;
	return strdup(value);
}

void keys_from_environment(struct client_keys *k)
{
	*k = (struct client_keys){key_of("ANTHROPIC_API_KEY"), key_of("ANTHROPIC_AUTH_TOKEN"),
				  key_of("OPENAI_API_KEY")};
}

void keys_release(struct client_keys *k)
{
	free(k->anthropic);
	free(k->anthropic_token);
	free(k->openai);
	*k = (struct client_keys){0};
}

static struct curl_slist *add(struct curl_slist *list, const char *head, const char *key)
{
	struct buf line;
	struct curl_slist *grown = NULL;

	if (!key || !list)
		return list;
	buf_init(&line, 64 << 10);
	buf_printf(&line, "%s%s", head, key);
	if (!line.failed)
		grown = curl_slist_append(list, line.p);
	if (!grown)
		curl_slist_free_all(list);
	buf_release(&line);
	return grown;
}

struct curl_slist *keys_headers(const struct client_keys *k, const struct base_url *base, enum kvs_llm_api api,
				struct curl_slist *list)
{
	bool messages = api == KVS_API_ANTHROPIC_MESSAGES || api == KVS_API_ANTHROPIC_COUNT_TOKENS;
	bool anthropic = messages || api == KVS_API_NONE;
	bool openai = !messages;

	if (base_url_in_domain(base, "anthropic.com")) {
		anthropic = true;
		openai = false;
	} else if (base_url_in_domain(base, "openai.com")) {
		anthropic = false;
		openai = true;
	}
	if (anthropic)
		list = add(list, "x-api-key: ", k->anthropic);
	if (openai && k->openai)
		list = add(list, "Authorization: Bearer ", k->openai);
	else if (anthropic)
		list = add(list, "Authorization: Bearer ", k->anthropic_token);
	return list;
}

static void hide(const char *key, char *p, size_t n)
{
	size_t length = key ? strlen(key) : 0;
	char *at;

	if (length < KEY_HIDDEN_MIN)
		return;
	while (n >= length && (at = memmem(p, n, key, length))) {
		memset(at, '*', length);
		n -= (size_t)(at - p) + length;
		p = at + length;
	}
}

void keys_hide(const struct client_keys *k, char *p, size_t n)
{
	if (!p)
		return;
	hide(k->anthropic, p, n);
	hide(k->anthropic_token, p, n);
	hide(k->openai, p, n);
}

bool keys_among(const struct curl_slist *headers)
{
	for (; headers; headers = headers->next)
		if (strncasecmp(headers->data, "x-api-key:", 10) == 0 ||
		    strncasecmp(headers->data, "authorization:", 14) == 0)
			return true;
	return false;
}

/* ---- ~/.netrc */

void basic_keys_release(struct basic_keys *k)
{
	free(k->value);
	free(k->password);
	*k = (struct basic_keys){0};
}

void keys_note_basic(struct basic_keys *k, struct str head)
{
	static const char mark[] = "\r\nAuthorization: Basic ";
	const char *at = head.n ? memmem(head.p, head.n, mark, sizeof(mark) - 1) : NULL;
	struct buf plain;

	if (!at)
		return;
	at += sizeof(mark) - 1;
	const char *end = memchr(at, '\r', (size_t)(head.p + head.n - at));
	if (!end)
		return;
	basic_keys_release(k);
	k->value = strndup(at, (size_t)(end - at));
	buf_init(&plain, 64 << 10);
	if (base64_decode((struct str){at, (size_t)(end - at)}, &plain) == 0 && plain.n > 0) {
		const char *colon = memchr(plain.p, ':', plain.n);
		k->password = colon ? strndup(colon + 1, plain.n - (size_t)(colon + 1 - plain.p)) : NULL;
	}
	buf_release(&plain);
}

void keys_hide_basic(const struct basic_keys *k, char *p, size_t n)
{
	if (!p)
		return;
	hide(k->value, p, n);
	hide(k->password, p, n);
}
