/* SPDX-License-Identifier: MIT */
#include "client/base_url.h"

#include <curl/curl.h>
#include <stdlib.h>

#define URL_MAX 4096

/* The endpoints that people paste with the base; the first that fits is taken off. */
static const char *const endings[] = {"/v1/messages", "/v1/chat/completions", "/v1/completions", "/v1/models", "/v1"};

static void strip_slashes(struct str *s)
{
	while (s->n > 0 && s->p[s->n - 1] == '/')
		s->n--;
}

static void strip_ending(struct str *s)
{
	strip_slashes(s);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		struct str ending = str_from(endings[i]);
		if (str_ends(*s, ending)) {
			s->n -= ending.n;
			break;
		}
	}
	strip_slashes(s);
}

static bool has(CURLU *url, CURLUPart part)
{
	char *value = NULL;
	bool there = curl_url_get(url, part, &value, 0) == CURLUE_OK && value && *value;
	curl_free(value);
	return there;
}

static bool is_loopback(struct str host)
{
	return str_eq_nocase(host, STR("localhost")) || str_starts(host, STR("127.")) || str_eq(host, STR("[::1]"));
}

/* Takes the parts out of a parsed URL. */
static int read_url(CURLU *url, struct base_url *out, const char **error)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
	struct buf root;
	int status = -1;

	buf_init(&root, URL_MAX);
	if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD)) {
		*error = "a URL must not hold a user or a key: they belong into the environment or ~/.netrc";
		goto out;
	}
	if (has(url, CURLUPART_QUERY) || has(url, CURLUPART_FRAGMENT)) {
		*error = "a base URL has no query";
		goto out;
	}
	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(url, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0)) {
		*error = "not a URL";
		goto out;
	}
	out->tls = strcmp(scheme, "https") == 0;
	if (!out->tls && strcmp(scheme, "http") != 0) {
		*error = "neither http nor https";
		goto out;
	}
	struct str before = str_from(path);
	strip_ending(&before);
	buf_printf(&root, "%s://%s", scheme, host);
	if (curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK)
		buf_printf(&root, ":%s", port);
	buf_append_str(&root, before);
	out->loopback = is_loopback(str_from(host));
	out->host = strdup(host);
	out->root = buf_steal(&root);
	if (out->host && out->root)
		status = 0;
	else
		*error = "too long";
out:
	buf_release(&root);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	return status;
}

int base_url_parse(struct str text, struct base_url *out, const char **error)
{
	struct buf full;
	CURLU *url = curl_url();
	int status = -1;

	*out = (struct base_url){0};
	buf_init(&full, URL_MAX);
	if (!memmem(text.p ? text.p : "", text.n, "://", 3))
		buf_puts(&full, "http://");
	buf_append_str(&full, text);
	if (!url || full.failed)
		*error = "too long";
	else if (text.n == 0 || memchr(text.p, '\0', text.n) ||
		 curl_url_set(url, CURLUPART_URL, full.p, CURLU_NON_SUPPORT_SCHEME))
		*error = "not a URL";
	else
		status = read_url(url, out, error);
	if (status < 0)
		base_url_release(out);
	curl_url_cleanup(url);
	buf_release(&full);
	return status;
}

void base_url_release(struct base_url *b)
{
	free(b->root);
	free(b->host);
	*b = (struct base_url){0};
}

int base_url_join(const struct base_url *b, const char *path, struct buf *out)
{
	buf_puts(out, b->root);
	return buf_puts(out, path);
}

bool base_url_in_domain(const struct base_url *b, const char *domain)
{
	struct str host = str_from(b->host), end = str_from(domain);

	if (host.n < end.n || strcasecmp(host.p + host.n - end.n, domain) != 0)
		return false;
	return host.n == end.n || host.p[host.n - end.n - 1] == '.';
}
