/* SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_MEMBER_H
#define BASE_JSON_MEMBER_H

/* Members of cJSON objects that may be missing or of another type. */

#include <cjson/cJSON.h>
#include <stdint.h>

/* A member; NULL if the object is NULL, no object, or has none of that name. */
const cJSON *json_member(const cJSON *object, const char *key);
/* A member that is a string with something in it, else NULL. */
const char *json_text(const cJSON *object, const char *key);
/* A member that is a whole number from 0 to 2^53, else -1. */
int64_t json_count(const cJSON *object, const char *key);

#endif
