/* SPDX-License-Identifier: MIT */
#ifndef REPORT_ENCRYPTED_H
#define REPORT_ENCRYPTED_H

/* Connections that stayed encrypted: what sizes and times alone say of them (collect/turns.h), all of it estimated. */

#include "report/report.h"

struct encrypted_guess {
	uint64_t requests; /* turns that look like one */
	double first_s;    /* median of the time to the first data after their first byte, the first of each connection
			      left out; NaN: unknown */
};

struct encrypted_guess encrypted_guess(const struct trace_opaque *const *connections, size_t n);
/* A line or two per server. */
void report_encrypted(const struct report *r, struct buf *to);

#endif
