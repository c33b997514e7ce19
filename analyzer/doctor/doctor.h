/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

/*
 * What will break the prefix for a client and a backend, before anything was sent: the table of breakers, asked by the
 * client's version and the backend's rules, against the settings that the client will see. Computes; reads nothing.
 */

#include "doctor/program.h"
#include "doctor/settings.h"
#include "doctor/sources.h"
#include "engines/detect.h"

enum doctor_when {
	DOCTOR_NEVER,     /* not with this client, or not with this backend */
	DOCTOR_SOMETIMES, /* where something changes in the session */
	DOCTOR_EVERY,     /* in every session, with some models */
};

enum doctor_state {
	DOCTOR_OPEN,    /* nothing stands against it */
	DOCTOR_SETTLED, /* the setting against it is there */
	DOCTOR_OTHER,   /* its variable is set to something else */
	DOCTOR_NO_SETTING,
};

struct doctor_finding {
	const struct breaker *cause;
	enum doctor_when when;
	const char *why_not; /* DOCTOR_NEVER: "the client's version", "the backend"; else NULL */
	const char *setting; /* "NAME=VALUE"; NULL: there is none */
	enum doctor_state state;
	const char *value; /* what the variable has; NULL: not set. Borrowed from the settings */
	enum settings_scope from;
	const char *option, *server, *request; /* as in breaker_fix; NULL: none */
};

struct doctor_input {
	const struct program *program;
	const struct settings *settings;
	const struct sources *sources;    /* NULL: not looked for */
	const struct engine_facts *facts; /* NULL: no backend was asked */
	const struct backend *backend;    /* NULL: not known: every entry that some backend suffers from counts */
};

struct doctor {
	struct doctor_input in;
	struct render_rules rules;       /* of the backend, where it is known */
	struct doctor_finding *findings; /* every session first, then sometimes, then never */
	size_t n;
	size_t open;  /* of those of every session: a setting is missing */
	bool refuses; /* the backend answers a prompt with system turns inside with an error, and the client sends them
		       */
};

/* Returns 0, or -1: no memory. doctor_release in either case. The input must outlive it. */
int doctor_build(const struct doctor_input *in, struct doctor *out) __attribute__((warn_unused_result));
void doctor_release(struct doctor *d);

/* Where the client is told to send its requests; false: nowhere, or by no URL that may be shown. base_url_release. */
bool doctor_base_url(const struct doctor *d, struct base_url *out, enum settings_scope *from);
/*
 * The settings that are missing against what comes in every session, each variable once: "NAME=VALUE", static text.
 * Returns how many were written.
 */
size_t doctor_settings(const struct doctor *d, const char **out, size_t max);

#endif
