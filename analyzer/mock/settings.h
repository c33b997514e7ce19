/* SPDX-License-Identifier: MIT */
#ifndef MOCK_SETTINGS_H
#define MOCK_SETTINGS_H

/*
 * What the command line of an engine decides: a profile has its defaults, the engine's own flags (--flag) and the
 * mock's options change them. Flags are a table per profile.
 */

#include "mock/store.h"

/* Bits of `state`. */
enum {
	MOCK_CACHES = 1,  /* prefixes are reused at all */
	MOCK_REPORTS = 2, /* usage tells what was cached */
	MOCK_RESETS = 4,  /* the cache can be emptied by a request */
	MOCK_METRICS = 8, /* /metrics is served */
};

/* What becomes of a prompt that is longer than the context. */
enum mock_overflow { OVERFLOW_REFUSED, OVERFLOW_DROPS_OLD };

struct mock_settings {
	unsigned state;
	size_t parallel; /* prompts computed at a time */
	size_t context;  /* tokens of the longest prompt */
	struct mock_limits cache;
};

enum mock_value {
	VALUE_NONE,    /* the bits alone */
	VALUE_TRUE,    /* bool, without a value of its own */
	VALUE_FALSE,   /* bool, likewise */
	VALUE_COUNT,   /* size_t; -1: no limit */
	VALUE_MIB,     /* size_t of bytes, given in MiB; -1: no limit */
	VALUE_SHARE,   /* double, 0 to 1 */
	VALUE_SECONDS, /* double; may end in s, m or h; negative: for ever, which is kept as 0 */
};

/* A flag of the engine's command line, without dashes, or a variable of its environment. */
struct mock_switch {
	const char *name; /* NULL ends a list; with a '=': this value alone. One flag may have several entries */
	unsigned on, off; /* bits it sets and clears */
	enum mock_value value;
	size_t offset; /* of what the value sets, in mock_settings */
};

/* Entries of a table: bits alone; a value for a member of mock_settings. */
#define MOCK_FLAG_BITS(name, on, off)                                                                                  \
	{                                                                                                              \
		name, on, off, VALUE_NONE, 0                                                                           \
	}
#define MOCK_FLAG(name, value, member)                                                                                 \
	{                                                                                                              \
		name, 0, 0, value, offsetof(struct mock_settings, member)                                              \
	}

/*
 * Applies a flag ("--name", "name" and "name=value"). Returns 0; 1: there is no such flag; -1: it is used wrongly, with
 * a sentence in why.
 */
int mock_settings_switch(struct mock_settings *s, const struct mock_switch *switches, const char *flag, char *why,
			 size_t why_bytes);

#endif
