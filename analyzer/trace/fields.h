/* SPDX-License-Identifier: MIT */
#ifndef TRACE_FIELDS_H
#define TRACE_FIELDS_H

/*
 * Typed access to the fields of a line. A field that is absent or null is no mistake, one of the wrong type is: it is
 * noted in `wrong` (the first one stays) and read as absent, so that a whole line is checked once at its end.
 *
 * Numbers are read as doubles: exact up to 2^53, which is 104 days in nanoseconds since boot.
 */

#include "base/digest.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

struct fields {
	const char *wrong; /* the name of the first field of a wrong type; NULL: none */
	bool no_memory;
};

/* The member itself; NULL if it is absent or null. */
const cJSON *field(const cJSON *object, const char *name);
const cJSON *field_object(struct fields *f, const cJSON *object, const char *name);
const cJSON *field_array(struct fields *f, const cJSON *object, const char *name);
uint64_t field_uint(struct fields *f, const cJSON *object, const char *name, uint64_t max, uint64_t absent);
int64_t field_int(struct fields *f, const cJSON *object, const char *name, int64_t min, int64_t max, int64_t absent);
double field_double(struct fields *f, const cJSON *object, const char *name); /* absent: NaN */
bool field_bool(struct fields *f, const cJSON *object, const char *name, bool absent);
/* A copy for free(), NULL if absent. */
char *field_string(struct fields *f, const cJSON *object, const char *name);
/* A view into the document; absent: STR_NONE. */
struct str field_str(struct fields *f, const cJSON *object, const char *name);
/* False and *out untouched if absent. */
bool field_digest(struct fields *f, const cJSON *object, const char *name, struct digest *out);

/* A whole number from 0 to max. False if the value is none. */
bool value_uint(const cJSON *value, uint64_t max, uint64_t *out);

#endif
