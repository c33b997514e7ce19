/* SPDX-License-Identifier: MIT */
#include "run/explain.h"

#include "kvscope/env.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS_MAX ((size_t)1 << 20)

int explain_settings_url(struct str json, char *out, size_t out_bytes)
{
	cJSON *settings = cJSON_ParseWithLength(json.p, json.n);
	const cJSON *env = cJSON_GetObjectItemCaseSensitive(settings, "env");
	const cJSON *url = cJSON_GetObjectItemCaseSensitive(env, "ANTHROPIC_BASE_URL");
	int r = -1;
	if (cJSON_IsString(url) && url->valuestring[0]) {
		snprintf(out, out_bytes, "%s", url->valuestring);
		r = 0;
	}
	cJSON_Delete(settings);
	return r;
}

static bool file_overrides(const char *path, char *url, size_t url_bytes)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	char *text = malloc(SETTINGS_MAX);
	size_t n = text ? fread(text, 1, SETTINGS_MAX, f) : 0;
	fclose(f);
	bool found = n > 0 && explain_settings_url((struct str){text, n}, url, url_bytes) == 0;
	free(text);
	return found;
}

void explain_find_override(struct base_url_override *out)
{
	static const char *const in_project[] = {".claude/settings.local.json", ".claude/settings.json"};
	const char *config = getenv("CLAUDE_CONFIG_DIR"), *home = getenv("HOME");

	*out = (struct base_url_override){.file = ""};
	for (size_t i = 0; i < sizeof(in_project) / sizeof(in_project[0]); i++)
		if (file_overrides(in_project[i], out->url, sizeof(out->url))) {
			snprintf(out->file, sizeof(out->file), "%s", in_project[i]);
			return;
		}
	char path[PATH_MAX];
	int n = config && *config ? snprintf(path, sizeof(path), "%s/settings.json", config)
				  : snprintf(path, sizeof(path), "%s/.claude/settings.json", home ? home : "");
	if (n > 0 && (size_t)n < sizeof(path) && file_overrides(path, out->url, sizeof(out->url)))
		snprintf(out->file, sizeof(out->file), "%s", path);
}

/* Where the client was sent, appended to a reason that has to do with where it went. */
static void add_override(const struct explain_facts *f, char *out, size_t out_bytes)
{
	size_t n = strlen(out);
	if (f->override->file[0] && n < out_bytes)
		snprintf(out + n, out_bytes - n, "; %s sets ANTHROPIC_BASE_URL to %s, whatever the environment says",
			 f->override->file, f->override->url);
}

void explain_nothing_seen(const struct explain_facts *f, char *out, size_t out_bytes)
{
	const struct collector_summary *s = f->summary;

	if (f->relay && s->opaque_http == 0 && s->lost_records == 0) {
		snprintf(out, out_bytes, "the client sent nothing to the relay");
		add_override(f, out, out_bytes);
	} else if (s->processes == 0 && preflight_blind(f->preflight)) {
		preflight_words(f->preflight, f->command, out, out_bytes);
	} else if (s->processes == 0 && f->disabled) {
		snprintf(out, out_bytes, KVS_ENV_DISABLE " is set in the environment");
	} else if (s->processes == 0) {
		snprintf(out, out_bytes, "no process of the command loaded " KVS_SHIM_NAME);
	} else if (s->lost_records > 0) {
		snprintf(out, out_bytes, "%" PRIu64 " records were lost, the ring being full: try a larger --ring-size",
			 s->lost_records);
	} else if (s->opaque_tls > 0) {
		snprintf(out, out_bytes,
			 "the client talked TLS%s%s, which is encrypted before it can be seen: run it with --upstream "
			 "https://%s, or send it to a plain http:// address (ANTHROPIC_BASE_URL)",
			 s->opaque_server[0] ? " to " : "", s->opaque_server,
			 s->opaque_server[0] ? s->opaque_server : "HOST");
		add_override(f, out, out_bytes);
	} else if (s->opaque_spoiled > 0) {
		snprintf(out, out_bytes, "what the client sent could not be read as HTTP/1.1");
	} else if (s->opaque_http > 0) {
		snprintf(out, out_bytes, "the client spoke HTTP, but asked for no path of a language model's API");
		add_override(f, out, out_bytes);
	} else {
		/* A wrapper may have loaded the library and then started a program that cannot. */
		if (preflight_blind(f->preflight))
			preflight_words(f->preflight, f->command, out, out_bytes);
		else
			snprintf(out, out_bytes, "the client sent nothing over TCP that could be seen");
		add_override(f, out, out_bytes);
	}
}
