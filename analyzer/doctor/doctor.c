/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include <stdlib.h>

/* The version from which the client sends system turns inside messages[]. */
static const struct client_range sends_turns = {.since = {.n = {2, 1, 154}}};

static bool engine_is(const struct backend *b, const enum engine *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (b->engine == list[i])
			return true;
	return false;
}

/* Does the backend do what the entry needs to cost anything? */
static bool hurts(const struct doctor *d, const struct breaker *b)
{
	static const enum engine untrimmed[] = {ENGINE_LLAMACPP, ENGINE_MLX_LM, ENGINE_LMSTUDIO, ENGINE_OLLAMA};
	const struct backend *backend = d->in.backend;

	if (!backend)
		return true;
	switch (b->hurts) {
	case HURTS_ANY_CACHE:
		return true;
	case HURTS_BILLING_KEPT:
		return d->rules.billing != BILLING_REMOVED;
	case HURTS_TURNS_HOISTED:
		return d->rules.system_turns == TURNS_HOISTED;
	case HURTS_THINKING_DROPPED_OLD:
		return d->rules.thinking == THINKING_DROPPED_OLD;
	case HURTS_TOOLS_MOVED:
		return d->rules.tools == TOOLS_BEFORE_LAST_USER;
	case HURTS_FEW_SLOTS:
	case HURTS_FULL:
		return backend->engine != ENGINE_ANTHROPIC;
	case HURTS_NO_TRIM:
		return engine_is(backend, untrimmed, sizeof(untrimmed) / sizeof(*untrimmed));
	case HURTS_TRUNCATES:
		return engine_truncates(backend->engine);
	case HURTS_ANTHROPIC:
		return backend->engine == ENGINE_ANTHROPIC;
	}
	return true;
}

static bool in_every_session(const struct doctor *d, const struct breaker *b)
{
	struct client_version client = d->in.program->parsed;

	/* One place in the cache: every side request and sub-agent takes it. */
	if (b->hurts == HURTS_FEW_SLOTS)
		return d->in.facts && d->in.facts->slots == 1;
	/* What is masked changes per conversation alone. */
	if (b->hurts == HURTS_BILLING_KEPT && d->in.backend && d->rules.billing == BILLING_MASKED)
		return false;
	return b->in_every_session && client_in_range(client, &b->every);
}

static void judge_setting(const struct doctor *d, struct doctor_finding *f)
{
	char name[64];

	f->state = DOCTOR_NO_SETTING;
	if (!f->setting)
		return;
	size_t n = strcspn(f->setting, "=");
	snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), f->setting);
	f->value = settings_value(d->in.settings, name, &f->from);
	if (!f->value || !*f->value)
		f->state = DOCTOR_OPEN;
	else
		f->state = settings_fits(f->value, str_from(f->setting + n + 1)) ? DOCTOR_SETTLED : DOCTOR_OTHER;
}

static struct doctor_finding find(const struct doctor *d, const struct breaker *b)
{
	struct client_version client = d->in.program->parsed;
	const struct backend *backend = d->in.backend;
	struct doctor_finding f = {.cause = b, .from = SETTINGS_SHELL};

	f.setting = breaker_fix_for(b, FIX_ENV, client, backend);
	f.option = breaker_fix_for(b, FIX_OPTION, client, backend);
	/* Without a backend the first one's flag would be named for all. */
	f.server = backend ? breaker_fix_for(b, FIX_SERVER, client, backend) : NULL;
	f.request = backend ? breaker_fix_for(b, FIX_REQUEST, client, backend) : NULL;
	judge_setting(d, &f);
	if (!breaker_concerns(b, client))
		f.why_not = "this version of the client does not do it";
	else if (!hurts(d, b))
		f.why_not = "this backend does not suffer from it";
	else
		f.when = in_every_session(d, b) ? DOCTOR_EVERY : DOCTOR_SOMETIMES;
	return f;
}

int doctor_build(const struct doctor_input *in, struct doctor *out)
{
	struct doctor *d = out;

	*d = (struct doctor){.in = *in};
	if (in->backend)
		backend_rules(in->backend, &d->rules);
	d->findings = calloc(nbreakers + 1, sizeof(*d->findings));
	if (!d->findings)
		return -1;
	for (int when = DOCTOR_EVERY; when >= DOCTOR_NEVER; when--) {
		for (size_t i = 0; i < nbreakers; i++) {
			if (breakers[i].expected || strcmp(breakers[i].name, "unknown") == 0)
				continue;
			struct doctor_finding f = find(d, &breakers[i]);
			if ((int)f.when != when)
				continue;
			d->findings[d->n++] = f;
			d->open += f.when == DOCTOR_EVERY && (f.state == DOCTOR_OPEN || f.state == DOCTOR_OTHER);
		}
	}
	d->refuses = in->backend && d->rules.system_turns == TURNS_REFUSED &&
		     client_in_range(in->program->parsed, &sends_turns);
	return 0;
}

bool doctor_base_url(const struct doctor *d, struct base_url *out, enum settings_scope *from)
{
	const char *what, *value = settings_value(d->in.settings, "ANTHROPIC_BASE_URL", from);
	return value && base_url_parse(str_from(value), out, &what) == 0;
}

void doctor_release(struct doctor *d)
{
	free(d->findings);
	*d = (struct doctor){0};
}

/* Adds a setting; of two values of one variable the one that holds the other stays. */
static size_t add_setting(const char *setting, const char **out, size_t n, size_t max)
{
	size_t name = strcspn(setting, "=") + 1;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(out[i], setting, name) != 0)
			continue;
		if (strlen(setting) > strlen(out[i]))
			out[i] = setting;
		return n;
	}
	if (n < max)
		out[n++] = setting;
	return n;
}

size_t doctor_settings(const struct doctor *d, const char **out, size_t max)
{
	const struct breaker *hoist = breaker_find("system_turn_hoisted");
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (d->findings[i].when == DOCTOR_EVERY && d->findings[i].state != DOCTOR_SETTLED &&
		    d->findings[i].setting)
			n = add_setting(d->findings[i].setting, out, n, max);
	/* What keeps system turns away from a backend that hoists them keeps them from one that refuses them, too. */
	for (size_t i = 0; d->refuses && i < d->n; i++)
		if (d->findings[i].cause == hoist && d->findings[i].setting && d->findings[i].state != DOCTOR_SETTLED)
			n = add_setting(d->findings[i].setting, out, n, max);
	return n;
}
