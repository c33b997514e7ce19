/* SPDX-License-Identifier: MIT */
#include "relay/upstream.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct parts {
	char *scheme, *host, *port, *path, *user, *query, *fragment;
};

static char *part(CURLU *url, CURLUPart what)
{
	char *text = NULL;
	return curl_url_get(url, what, &text, 0) == CURLUE_OK ? text : NULL;
}

static void parts_release(struct parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
	curl_free(p->path);
	curl_free(p->user);
	curl_free(p->query);
	curl_free(p->fragment);
}

static const char *wrong(const struct parts *p)
{
	if (!p->scheme || !p->host || !p->host[0])
		return "is no URL";
	if (strcmp(p->scheme, "https") != 0 && strcmp(p->scheme, "http") != 0)
		return "is neither https:// nor http://";
	if (p->user)
		return "has a user name in it, which would be written down";
	if (p->query || p->fragment)
		return "has a query or fragment, which a base URL cannot have";
	if (strlen(p->host) >= UPSTREAM_HOST_MAX - 8 || (p->path && strlen(p->path) >= UPSTREAM_PATH_MAX))
		return "is too long";
	return NULL;
}

static void fill(const struct parts *p, struct upstream *out)
{
	out->tls = strcmp(p->scheme, "https") == 0;
	bool usual = !p->port || strcmp(p->port, out->tls ? "443" : "80") == 0;
	snprintf(out->name, sizeof(out->name), "%s", p->host);
	snprintf(out->host, sizeof(out->host), "%.*s%s%.6s", UPSTREAM_HOST_MAX - 8, p->host, usual ? "" : ":",
		 usual ? "" : p->port);
	snprintf(out->url, sizeof(out->url), "%s://%.*s", p->scheme, UPSTREAM_HOST_MAX, out->host);
	snprintf(out->path, sizeof(out->path), "%s", p->path ? p->path : "");
	for (size_t n = strlen(out->path); n > 0 && out->path[n - 1] == '/'; n--)
		out->path[n - 1] = '\0';
}

int upstream_parse(const char *text, struct upstream *out, char *error, size_t error_bytes)
{
	CURLU *url = curl_url();
	struct parts p = {0};
	const char *why = "cannot be read: no memory";

	*out = (struct upstream){.url = ""};
	if (url) {
		/* Without a scheme it stays unclear whether a name is meant to be reached by TLS: no guess. */
		if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK)
			p = (struct parts){part(url, CURLUPART_SCHEME),  part(url, CURLUPART_HOST),
					   part(url, CURLUPART_PORT),    part(url, CURLUPART_PATH),
					   part(url, CURLUPART_USER),    part(url, CURLUPART_QUERY),
					   part(url, CURLUPART_FRAGMENT)};
		why = wrong(&p);
		if (!why)
			fill(&p, out);
	}
	parts_release(&p);
	curl_url_cleanup(url);
	/* What stands before an @ may be a password. */
	const char *at = strrchr(text, '@');
	if (why)
		snprintf(error, error_bytes, "--upstream: \"%.200s\" %s", at ? at + 1 : text, why);
	return why ? -1 : 0;
}

bool upstream_is_of(const struct upstream *u, const char *domain)
{
	size_t n = strlen(u->name), m = strlen(domain);
	return n >= m && strcasecmp(u->name + n - m, domain) == 0 && (n == m || u->name[n - m - 1] == '.');
}
