/* SPDX-License-Identifier: MIT */
#include "doctor/doctor_text.h"

#include "report/units.h"

#define SETTINGS_MAX 32
#define NAMES_COLUMNS 94

static const char *const scope_words[] = {
	[SETTINGS_MANAGED] = "the managed settings",   [SETTINGS_LOCAL] = "the project's local settings",
	[SETTINGS_PROJECT] = "the project's settings", [SETTINGS_USER] = "the user's settings",
	[SETTINGS_SHELL] = "the environment",
};

struct page {
	const struct doctor *d;
	const struct text_style *style;
	struct buf *to;
};

static void client(struct page *p)
{
	const struct program *c = p->d->in.program;

	buf_puts(p->to, "client    ");
	if (!c->found) {
		units_text(p->to, c->detail, 200, false);
		buf_putc(p->to, '\n');
		return;
	}
	units_text(p->to, c->path, 200, false);
	if (!c->claude)
		buf_puts(p->to, "\n          not Claude Code, as far as its name tells: versions and settings say "
				"nothing of it");
	else if (c->how == PROGRAM_UNKNOWN)
		buf_printf(p->to, "\n          Claude Code of an unknown version: %s", c->detail);
	else
		buf_printf(p->to, "\n          Claude Code %s (%s)", c->version, program_how_words(c->how));
	buf_putc(p->to, '\n');
}

static void settings(struct page *p)
{
	const struct settings *s = p->d->in.settings;
	const char *word = "settings  ";

	for (int i = 0; i < SETTINGS_FILES; i++) {
		const struct settings_file *f = &s->files[i];
		if (!f->exists && !f->error[0])
			continue;
		buf_printf(p->to, "%s%s: ", word, settings_scope_name(f->scope));
		units_text(p->to, f->path, 200, false);
		if (f->error[0])
			buf_printf(p->to, "  %s%s%s", p->style->yellow, f->error, p->style->reset);
		buf_putc(p->to, '\n');
		word = "          ";
	}
	if (word[0] != ' ')
		buf_puts(p->to, "settings  no file; the environment alone\n");
}

static void base_url(struct page *p)
{
	struct base_url base = {0};
	enum settings_scope from;

	if (!p->d->in.program->claude || !doctor_base_url(p->d, &base, &from))
		return;
	buf_puts(p->to, "requests  go to ");
	units_text(p->to, base.root, 200, false);
	buf_printf(p->to, " (ANTHROPIC_BASE_URL in %s)\n", scope_words[from]);
	base_url_release(&base);
}

static void backend(struct page *p)
{
	const struct engine_facts *f = p->d->in.facts;
	char name[64], number[UNITS_CHARS];

	if (p->d->in.backend)
		backend_name(p->d->in.backend, name, sizeof(name));
	if (!f) {
		buf_printf(p->to, "backend   %s\n",
			   p->d->in.backend ? name
					    : "not named: what some backend suffers from counts (--backend, --engine)");
		return;
	}
	buf_printf(p->to, "backend   %s", f->name);
	if (f->model) {
		buf_puts(p->to, ", model ");
		units_text(p->to, f->model, 60, false);
	}
	if (f->context_tokens > 0)
		buf_printf(p->to, ", context of %s tokens", units_count(f->context_tokens, number));
	if (f->slots > 0) {
		buf_puts(p->to, ", ");
		units_plural(p->to, (uint64_t)f->slots, "slot");
	}
	buf_putc(p->to, '\n');
	if (!p->d->in.backend)
		buf_puts(p->to, "          what it does to a prompt is not known (--engine names an engine)\n");
	else if (p->d->in.backend->chat_template == TEMPLATE_UNKNOWN)
		buf_puts(p->to, "          its chat template is not known; taken as one that changes nothing\n");
	if (f->profile && f->profile->cached_switch)
		buf_printf(p->to, "          it tells what it had cached with %s\n", f->profile->cached_switch);
}

static void setting(struct page *p, const struct doctor_finding *f)
{
	const struct text_style *s = p->style;
	int name = f->setting ? (int)strcspn(f->setting, "=") : 0;

	switch (f->state) {
	case DOCTOR_SETTLED:
		buf_printf(p->to, "      %ssettled%s: %s in %s\n", s->green, s->reset, f->setting,
			   scope_words[f->from]);
		return;
	case DOCTOR_OPEN:
		buf_printf(p->to, "      client: %s is not set\n", f->setting);
		break;
	case DOCTOR_OTHER:
		buf_printf(p->to, "      client: %.*s is \"", name, f->setting);
		units_text(p->to, f->value, 60, false);
		buf_printf(p->to, "\" in %s, wanted is \"%s\"\n", scope_words[f->from], f->setting + name + 1);
		break;
	case DOCTOR_NO_SETTING:
		buf_printf(p->to, "      %s\n", f->cause->fix);
		break;
	}
	if (f->option)
		buf_printf(p->to, "      client: %s\n", f->option);
	if (f->server)
		buf_printf(p->to, "      backend: %s\n", f->server);
	if (f->request)
		buf_printf(p->to, "      request: %s\n", f->request);
}

static size_t count(const struct doctor *d, enum doctor_when when)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		n += d->findings[i].when == when;
	return n;
}

static void findings(struct page *p, enum doctor_when when, const char *title)
{
	const struct text_style *s = p->style;

	if (count(p->d, when) == 0)
		return;
	buf_printf(p->to, "\n%s%s%s\n", s->bold, title, s->reset);
	for (size_t i = 0; i < p->d->n; i++) {
		const struct doctor_finding *f = &p->d->findings[i];
		if (f->when != when)
			continue;
		const char *colour = when == DOCTOR_EVERY && f->state != DOCTOR_SETTLED ? s->red : "";
		buf_printf(p->to, "  %s%s%s: %s\n", colour, f->cause->name, *colour ? s->reset : "",
			   f->why_not ? f->why_not : f->cause->title);
		if (when == DOCTOR_NEVER)
			continue;
		if (!p->d->in.backend && f->cause->engines)
			buf_printf(p->to, "      %son %s%s\n", s->dim, f->cause->engines, s->reset);
		if (when == DOCTOR_EVERY && f->cause->clients)
			buf_printf(p->to, "      %s%s%s\n", s->dim, f->cause->clients, s->reset);
		setting(p, f);
	}
}

/* The names alone, a few in a line. */
static void names(struct page *p, enum doctor_when when, const char *title)
{
	size_t column = 0;

	if (count(p->d, when) == 0)
		return;
	buf_printf(p->to, "\n%s%s%s (--all says how, and what helps)\n", p->style->bold, title, p->style->reset);
	for (size_t i = 0; i < p->d->n; i++) {
		const char *name = p->d->findings[i].cause->name;
		if (p->d->findings[i].when != when)
			continue;
		bool wraps = column + strlen(name) + 2 > NAMES_COLUMNS;
		if (column > 0)
			buf_puts(p->to, wraps ? ",\n" : ", ");
		if (wraps || column == 0)
			buf_puts(p->to, "  ");
		column = (wraps ? 0 : column) + strlen(name) + 2;
		buf_puts(p->to, name);
	}
	buf_putc(p->to, '\n');
}

/* The names of a kind, those of one file together. */
static void source_names(struct page *p, const struct sources *s, enum source_kind kind)
{
	const char *before = " ", *from = NULL;
	for (size_t i = 0; i < s->n; i++) {
		const struct source *one = &s->list[i];
		if (one->kind != kind)
			continue;
		if (from && strcmp(from, one->from) != 0) {
			buf_printf(p->to, " (");
			units_text(p->to, from, 80, false);
			buf_putc(p->to, ')');
		}
		buf_puts(p->to, before);
		units_text(p->to, one->name, 60, false);
		before = ", ";
		from = one->from;
	}
	buf_puts(p->to, " (");
	units_text(p->to, from, 80, false);
	buf_puts(p->to, ")\n");
}

/* What the user has set up that can break it, depending on what that does. */
static void sources(struct page *p)
{
	static const char *const what[] = {[SOURCE_MCP_SERVER] = "MCP servers",
					   [SOURCE_HOOK_REMINDER] = "hooks",
					   [SOURCE_HOOK_RESULT] = "hooks around tools"};
	const struct sources *s = p->d->in.sources;

	if (!s || s->n == 0)
		return;
	buf_printf(p->to, "\n%sCan break it, depending on what they do%s\n", p->style->bold, p->style->reset);
	for (int kind = 0; kind < SOURCE_KINDS; kind++) {
		size_t n = 0;
		for (size_t i = 0; i < s->n; i++)
			n += s->list[i].kind == (enum source_kind)kind;
		if (n == 0)
			continue;
		buf_printf(p->to, "  %s:", what[kind]);
		source_names(p, s, (enum source_kind)kind);
		buf_printf(p->to, "      %s:", source_words((enum source_kind)kind));
		const char *const *names = source_breakers((enum source_kind)kind);
		for (size_t i = 0; names[i]; i++)
			buf_printf(p->to, "%s%s", i ? ", " : " ", names[i]);
		buf_printf(p->to, "\n      %s\n", source_fix((enum source_kind)kind));
	}
}

/* As it can be pasted into a settings file. */
static void block(struct page *p)
{
	const char *list[SETTINGS_MAX];
	size_t n = doctor_settings(p->d, list, SETTINGS_MAX);

	if (n == 0)
		return;
	buf_printf(p->to, "\n%sMissing%s, for settings.json of the client:\n  \"env\": {\n", p->style->bold,
		   p->style->reset);
	for (size_t i = 0; i < n; i++) {
		size_t name = strcspn(list[i], "=");
		buf_printf(p->to, "    \"%.*s\": \"%s\"%s\n", (int)name, list[i], list[i] + name + 1,
			   i + 1 < n ? "," : "");
	}
	buf_puts(p->to, "  }\n");
}

void doctor_text(const struct doctor *d, const struct text_style *style, struct buf *to)
{
	struct page p = {d, style, to};
	size_t never = count(d, DOCTOR_NEVER);

	client(&p);
	settings(&p);
	base_url(&p);
	backend(&p);
	findings(&p, DOCTOR_EVERY,
		 d->in.backend ? "Breaks the prefix in every session"
			       : "Breaks the prefix in every session, on some backends");
	if (d->refuses)
		buf_printf(to,
			   "\n%sRefused%s\n  this backend answers a prompt that has system turns after its head with "
			   "an error, "
			   "and the client sends them\n",
			   style->red, style->reset);
	if (style->all)
		findings(&p, DOCTOR_SOMETIMES, "Breaks it where something changes");
	else
		names(&p, DOCTOR_SOMETIMES, "Breaks it where something changes");
	sources(&p);
	if (style->all)
		findings(&p, DOCTOR_NEVER, "Does not apply");
	else if (never > 0)
		buf_printf(to, "\n%zu of %zu causes do not apply (--all lists them).\n", never, d->n);
	block(&p);
	if (count(d, DOCTOR_EVERY) == 0 && !d->refuses)
		buf_puts(to, "\nNothing breaks the prefix in every session.\n");
}
