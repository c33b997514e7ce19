/* SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Time in nanoseconds, and how it is written for people. */

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);
/* Seconds between two stamps; NaN where one is 0 (absent) or they stand the other way round. */
double clock_seconds_between(uint64_t from_ns, uint64_t to_ns);
/* "2026-11-23T22:33:01Z" (UTC) for a realtime stamp; out holds at least 21 bytes. */
void clock_iso8601(uint64_t realtime_ns, char *out, size_t out_bytes);

#endif
