/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <math.h>
#include <time.h>

static uint64_t now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_ns(void)
{
	return now(CLOCK_REALTIME);
}

double clock_seconds_between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns && to_ns >= from_ns ? (double)(to_ns - from_ns) / (double)NS_PER_S : NAN;
}

void clock_iso8601(uint64_t realtime_ns, char *out, size_t out_bytes)
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	struct tm tm;
	if (!gmtime_r(&seconds, &tm) || strftime(out, out_bytes, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}
