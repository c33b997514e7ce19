/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"
#include "doctor/doctor_text.h"

#define SETTINGS_MAX 32

static void client(struct json_out *j, const struct program *p)
{
	json_out_object(j, "client");
	json_out_cstr(j, "path", p->found ? p->path : NULL);
	json_out_bool(j, "claude_code", p->claude);
	json_out_cstr(j, "version", p->claude && p->version[0] ? p->version : NULL);
	json_out_cstr(j, "how", p->how == PROGRAM_UNKNOWN ? NULL : program_how_words(p->how));
	json_out_cstr(j, "detail", p->detail[0] ? p->detail : NULL);
	json_out_end(j);
}

static void settings(struct json_out *j, const struct settings *s)
{
	json_out_array(j, "settings");
	for (int i = 0; i < SETTINGS_FILES; i++) {
		const struct settings_file *f = &s->files[i];
		json_out_object(j, NULL);
		json_out_cstr(j, "scope", settings_scope_name(f->scope));
		json_out_cstr(j, "path", f->path[0] ? f->path : NULL);
		json_out_bool(j, "exists", f->exists);
		json_out_cstr(j, "error", f->error[0] ? f->error : NULL);
		json_out_end(j);
	}
	json_out_end(j);
}

static void base_url(struct json_out *j, const struct doctor *d)
{
	struct base_url base = {0};
	enum settings_scope from;

	if (!doctor_base_url(d, &base, &from)) {
		json_out_null(j, "base_url");
		return;
	}
	json_out_object(j, "base_url");
	json_out_cstr(j, "url", base.root);
	json_out_cstr(j, "from", settings_scope_name(from));
	json_out_end(j);
	base_url_release(&base);
}

static void known_or_null(struct json_out *j, const char *key, enum known k)
{
	if (k == KNOWN_NOT)
		json_out_null(j, key);
	else
		json_out_bool(j, key, k == KNOWN_YES);
}

static void backend(struct json_out *j, const struct doctor *d)
{
	const struct engine_facts *f = d->in.facts;
	char name[64];

	if (!f && !d->in.backend) {
		json_out_null(j, "backend");
		return;
	}
	if (d->in.backend)
		backend_name(d->in.backend, name, sizeof(name));
	json_out_object(j, "backend");
	json_out_cstr(j, "judged_as", d->in.backend ? name : NULL);
	json_out_cstr(j, "name", f ? f->name : NULL);
	json_out_cstr(j, "version", f && f->version[0] ? f->version : NULL);
	json_out_cstr(j, "model", f ? f->model : NULL);
	json_out_int_or_null(j, "context_tokens", f ? f->context_tokens : -1);
	json_out_int_or_null(j, "slots", f ? f->slots : -1);
	known_or_null(j, "anthropic_route", f ? f->anthropic : KNOWN_NOT);
	json_out_cstr(j, "cached_switch", f && f->profile ? f->profile->cached_switch : NULL);
	json_out_end(j);
}

static void finding(struct json_out *j, const struct doctor_finding *f)
{
	static const char *const whens[] = {
		[DOCTOR_NEVER] = "never", [DOCTOR_SOMETIMES] = "sometimes", [DOCTOR_EVERY] = "every_session"};
	static const char *const states[] = {[DOCTOR_OPEN] = "missing",
					     [DOCTOR_SETTLED] = "settled",
					     [DOCTOR_OTHER] = "other_value",
					     [DOCTOR_NO_SETTING] = "no_setting"};
	json_out_object(j, NULL);
	json_out_cstr(j, "cause", f->cause->name);
	json_out_cstr(j, "when", whens[f->when]);
	json_out_cstr(j, "why_not", f->why_not);
	json_out_cstr(j, "title", f->cause->title);
	json_out_cstr(j, "setting", f->setting);
	json_out_cstr(j, "state", states[f->state]);
	json_out_cstr(j, "value", f->value);
	json_out_cstr(j, "value_from", f->value ? settings_scope_name(f->from) : NULL);
	json_out_object(j, "fix");
	json_out_cstr(j, "text", f->cause->fix);
	json_out_cstr(j, "option", f->option);
	json_out_cstr(j, "server", f->server);
	json_out_cstr(j, "request", f->request);
	json_out_end(j);
	json_out_cstr(j, "source", f->cause->source);
	json_out_end(j);
}

static void sources(struct json_out *j, const struct sources *s)
{
	json_out_array(j, "sources");
	for (size_t i = 0; s && i < s->n; i++) {
		json_out_object(j, NULL);
		json_out_cstr(j, "kind", source_kind_name(s->list[i].kind));
		json_out_cstr(j, "name", s->list[i].name);
		json_out_cstr(j, "from", s->list[i].from);
		json_out_array(j, "can");
		for (const char *const *name = source_breakers(s->list[i].kind); *name; name++)
			json_out_cstr(j, NULL, *name);
		json_out_end(j);
		json_out_cstr(j, "fix", source_fix(s->list[i].kind));
		json_out_end(j);
	}
	json_out_end(j);
}

void doctor_json(const struct doctor *d, struct buf *to)
{
	struct json_out out, *j = &out;
	const char *list[SETTINGS_MAX];
	size_t n = doctor_settings(d, list, SETTINGS_MAX);

	json_out_init(j, to, true);
	json_out_object(j, NULL);
	client(j, d->in.program);
	settings(j, d->in.settings);
	base_url(j, d);
	backend(j, d);
	json_out_bool(j, "system_turns_refused", d->refuses);
	json_out_uint(j, "missing", d->open);
	json_out_array(j, "findings");
	for (size_t i = 0; i < d->n; i++)
		finding(j, &d->findings[i]);
	json_out_end(j);
	sources(j, d->in.sources);
	json_out_object(j, "env");
	for (size_t i = 0; i < n; i++) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(list[i], "="), list[i]);
		json_out_cstr(j, name, list[i] + strcspn(list[i], "=") + 1);
	}
	json_out_end(j);
	json_out_end(j);
	buf_putc(to, '\n');
}
