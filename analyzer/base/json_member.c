/* SPDX-License-Identifier: MIT */
#include "base/json_member.h"

#include <math.h>
#include <stddef.h>

const cJSON *json_member(const cJSON *object, const char *key)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *json_text(const cJSON *object, const char *key)
{
	const cJSON *item = json_member(object, key);
	return cJSON_IsString(item) && item->valuestring[0] ? item->valuestring : NULL;
}

int64_t json_count(const cJSON *object, const char *key)
{
	const cJSON *item = json_member(object, key);
	if (!cJSON_IsNumber(item))
		return -1;
	double v = item->valuedouble;
	if (!(v >= 0 && v <= 9007199254740992.0) || v != floor(v))
		return -1;
	return (int64_t)v;
}
