/* SPDX-License-Identifier: MIT */
#ifndef API_DIALECT_H
#define API_DIALECT_H

/*
 * Inside of api/: what the dialects share. A dialect gets each event, and each body of a response that is no stream,
 * as a parsed JSON object, and writes what it says into the exchange.
 */

#include "base/json_member.h"
#include "exchange.h"

#include <stdbool.h>

struct dialect {
	void (*event)(struct exchange *x, struct str name, const cJSON *data, uint64_t time_ns);
	void (*body)(struct exchange *x, const cJSON *body);
};

extern const struct dialect dialect_anthropic, dialect_openai;

/* Copies text into *field if it is still NULL (first) or in any case (last). NULL text changes nothing. */
void set_first(char **field, const char *text);
void set_last(char **field, const char *text);
/* The first error of a response stays. Control characters become spaces; long text is cut. */
void set_error(struct exchange *x, const char *kind, const char *message);
/*
 * The error that an API or a server in front of it tells in a JSON object: {"error":{"type":…,"message":…}},
 * {"error":"…"}, {"detail":…}, {"object":"error",…}, or, if flat is allowed, {"type":…,"message":…}. False: it is none.
 */
bool read_error(struct exchange *x, const cJSON *data, bool flat);

/* One event's usage: into `usage` by field where it says something, into usage_end as it is. */
void take_usage(struct exchange *x, const struct usage *said);
bool usage_is_none(const struct usage *u);

/* bytes of text, thinking or tool input that a stream brought; 0 for a tool's name. */
void take_content(struct exchange *x, size_t bytes, uint64_t time_ns);

/* Sets the engine if it is still unknown. */
void take_engine(struct exchange *x, const char *engine);

#endif
