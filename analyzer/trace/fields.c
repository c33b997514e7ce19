/* SPDX-License-Identifier: MIT */
#include "trace/fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const cJSON *field(const cJSON *object, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);
	return cJSON_IsNull(v) ? NULL : v;
}

static const cJSON *checked(struct fields *f, const cJSON *object, const char *name, cJSON_bool (*is)(const cJSON *))
{
	const cJSON *v = field(object, name);
	if (v && !is(v)) {
		if (!f->wrong)
			f->wrong = name;
		return NULL;
	}
	return v;
}

const cJSON *field_object(struct fields *f, const cJSON *object, const char *name)
{
	return checked(f, object, name, cJSON_IsObject);
}

const cJSON *field_array(struct fields *f, const cJSON *object, const char *name)
{
	return checked(f, object, name, cJSON_IsArray);
}

bool value_uint(const cJSON *value, uint64_t max, uint64_t *out)
{
	double d = cJSON_IsNumber(value) ? value->valuedouble : -1;
	/* 2^64 is a double, the largest uint64_t is not. */
	if (!(d >= 0 && d < 18446744073709551616.0) || d != floor(d) || (uint64_t)d > max)
		return false;
	*out = (uint64_t)d;
	return true;
}

uint64_t field_uint(struct fields *f, const cJSON *object, const char *name, uint64_t max, uint64_t absent)
{
	const cJSON *v = field(object, name);
	uint64_t n = absent;
	if (v && !value_uint(v, max, &n) && !f->wrong)
		f->wrong = name;
	return n;
}

int64_t field_int(struct fields *f, const cJSON *object, const char *name, int64_t min, int64_t max, int64_t absent)
{
	const cJSON *v = field(object, name);
	if (!v)
		return absent;
	double d = cJSON_IsNumber(v) ? v->valuedouble : NAN;
	if (!(d >= -9007199254740992.0 && d <= 9007199254740992.0) || d != floor(d) || (int64_t)d < min ||
	    (int64_t)d > max) {
		if (!f->wrong)
			f->wrong = name;
		return absent;
	}
	return (int64_t)d;
}

double field_double(struct fields *f, const cJSON *object, const char *name)
{
	const cJSON *v = checked(f, object, name, cJSON_IsNumber);
	return v ? v->valuedouble : NAN;
}

bool field_bool(struct fields *f, const cJSON *object, const char *name, bool absent)
{
	const cJSON *v = checked(f, object, name, cJSON_IsBool);
	return v ? cJSON_IsTrue(v) : absent;
}

struct str field_str(struct fields *f, const cJSON *object, const char *name)
{
	const cJSON *v = checked(f, object, name, cJSON_IsString);
	return v ? str_from(v->valuestring) : STR_NONE;
}

char *field_string(struct fields *f, const cJSON *object, const char *name)
{
	const cJSON *v = checked(f, object, name, cJSON_IsString);
	char *copy = v ? strdup(v->valuestring) : NULL;
	if (v && !copy)
		f->no_memory = true;
	return copy;
}

bool field_digest(struct fields *f, const cJSON *object, const char *name, struct digest *out)
{
	struct str hex = field_str(f, object, name);
	if (!hex.p)
		return false;
	if (digest_from_hex(hex, out) == 0)
		return true;
	if (!f->wrong)
		f->wrong = name;
	return false;
}
