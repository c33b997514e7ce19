/* SPDX-License-Identifier: MIT */
#ifndef WHY_BREAKER_H
#define WHY_BREAKER_H

/*
 * The table of prefix breakers, as data (breakers.def): one entry each. Adding one is adding an entry and a test; an
 * entry whose sign needs code names one of the sign functions in signs.c.
 */

#include <stdbool.h>
#include <stddef.h>

enum breaker_side { SIDE_CLIENT, SIDE_SERVER, SIDE_NEITHER };

struct breaker {
	const char *name; /* as in JSON: "billing_header" */
	enum breaker_side side;
	bool expected;       /* no setting could avoid it: first_request, compaction, … */
	const char *title;   /* "the attribution header changes with every request" */
	const char *looks;   /* how it looks on the wire or in the rendered prompt */
	const char *clients; /* "Claude Code 2.1.36 to 2.1.180"; NULL: any */
	const char *engines; /* who suffers; NULL: any */
	const char *fix;     /* words, one sentence */
	const char *env;     /* NAME=VALUE to set in the client's environment; NULL: none */
	const char *flag;    /* of the backend; NULL: none */
	const char *source;  /* public thread or document that describes it */
};

extern const struct breaker breakers[];
extern const size_t nbreakers;
const struct breaker *breaker_find(const char *name);

#endif
