/* SPDX-License-Identifier: MIT */
#include "mock/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 1e15

/* A number, and what stands behind it. */
static int read_number(const char *text, double *out, const char **rest)
{
	char *end;

	*out = strtod(text, &end);
	*rest = end;
	return end == text || !isfinite(*out) ? -1 : 0;
}

static int set_count(void *to, const char *text, double unit)
{
	const char *rest;
	double n;

	if (read_number(text, &n, &rest) < 0 || *rest || floor(n) < n || n < -1 || n * unit > COUNT_MAX)
		return -1;
	size_t count = n < 0 ? SIZE_MAX : (size_t)(n * unit);
	memcpy(to, &count, sizeof(count));
	return 0;
}

static int set_seconds(void *to, const char *text)
{
	const char *rest;
	double n;

	if (read_number(text, &n, &rest) < 0 || (*rest && rest[1]))
		return -1;
	if (*rest && !strchr("smh", *rest))
		return -1;
	n *= *rest == 'm' ? 60 : *rest == 'h' ? 3600 : 1;
	/* 0 means for ever: what is to be dropped at once lives for the shortest time that there is. */
	n = n < 0 ? 0 : n > 0 ? n : 1e-9;
	memcpy(to, &n, sizeof(n));
	return 0;
}

static int set_share(void *to, const char *text)
{
	const char *rest;
	double n;

	if (read_number(text, &n, &rest) < 0 || *rest || n < 0 || n > 1)
		return -1;
	memcpy(to, &n, sizeof(n));
	return 0;
}

/* Returns 0, or -1: `text` is no such value. */
static int set(struct mock_settings *s, const struct mock_switch *w, const char *text)
{
	void *to = (char *)s + w->offset;
	bool flag = w->value == VALUE_TRUE;

	switch (w->value) {
	case VALUE_NONE:
		return 0;
	case VALUE_TRUE:
	case VALUE_FALSE:
		memcpy(to, &flag, sizeof(flag));
		return 0;
	case VALUE_COUNT:
		return set_count(to, text, 1);
	case VALUE_MIB:
		return set_count(to, text, 1 << 20);
	case VALUE_SHARE:
		return set_share(to, text);
	case VALUE_SECONDS:
		return set_seconds(to, text);
	}
	return -1;
}

int mock_settings_switch(struct mock_settings *s, const struct mock_switch *switches, const char *flag, char *why,
			 size_t why_bytes)
{
	const char *name = flag + strspn(flag, "-");
	int status = 1;

	for (const struct mock_switch *w = switches; w && w->name; w++) {
		size_t n = strlen(w->name);
		bool named = strncmp(name, w->name, n) == 0 && (!name[n] || (name[n] == '=' && !strchr(w->name, '=')));
		if (!named)
			continue;
		if (w->value >= VALUE_COUNT && !name[n]) {
			snprintf(why, why_bytes, "\"%s\" wants a value (%s=N)", flag, w->name);
			return -1;
		}
		if (set(s, w, name[n] ? name + n + 1 : "") < 0) {
			snprintf(why, why_bytes, "\"%s\" is no value for %s", name + n + 1, w->name);
			return -1;
		}
		s->state = (s->state | w->on) & ~w->off;
		status = 0;
	}
	return status;
}
