/* SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

/*
 * What one or more traces say: which requests belong to one conversation, how many prompt tokens were sent, which of
 * them the same conversation had sent before, and where the time went. Computes only; report_text, report_json and
 * report_headline write it down.
 *
 * Unknown counts are TOKENS_UNKNOWN, unknown seconds NaN. Requests that only count tokens are listed but are in none
 * of the sums: no model reads their prompts.
 *
 *     struct report report;
 *     if (report_build(traces, ntraces, &report, error, sizeof(error)) < 0) ...
 *     report_headline(&report, &text);
 *     report_release(&report);     // before the traces: the report borrows from them
 */

#include "base/buf.h"
#include "lineage/lineage.h"
#include "report/tokens.h"
#include "trace/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A prompt, or the sum of several, in parts that do not overlap. */
struct report_split {
	int64_t tools, system;
	int64_t history; /* of messages, in a prefix that the lineage had sent before */
	int64_t new;     /* of messages, all else */
};

struct report_tokens {
	int64_t sent;     /* of the prompts whose size is known */
	int64_t repeated; /* in a prefix that the same lineage had sent before, tools and system included */
	int64_t new;      /* in no such prefix */
	int64_t unsplit;  /* sent, and not known whether new or repeated */
	enum tokens_basis basis;
	/* reported: repeated is the reported size of an earlier prompt that this one continues; estimated: a share of
	 * sent by the bytes of the parts. */
	enum tokens_basis split_basis;
	uint64_t unknown;   /* prompts of which not even a size is known */
	int64_t cached;     /* as reported, of those that reported it */
	uint64_t cached_of; /* requests that reported it */
	int64_t output;     /* as reported */
	uint64_t output_of;
};

/* Sums over requests; NaN when no request has it. */
struct report_seconds {
	double wall;                 /* per trace, first byte of a request to the last byte of a response */
	double requests;             /* first byte of the request to the last of the response */
	double ttft;                 /* last byte of the request to the first content delta */
	double decode;               /* first content delta to the last byte */
	uint64_t ttft_of, decode_of; /* requests that have it */
};

struct report_exchange {
	const struct exchange *x;  /* in trace */
	uint32_t trace;            /* index in report.traces */
	uint32_t lineage;          /* index in report.lineages.lineages */
	uint32_t parent;           /* index in report.exchanges, LINEAGE_NONE: none */
	uint64_t start_ns, end_ns; /* real time of its first and last stamp */
	bool counts_only;          /* count_tokens: in no sum */
	int64_t prompt, cached, new, repeated, output;
	enum tokens_basis basis, split_basis;
	int64_t seen; /* in a prefix that any earlier prompt of the same model and server had: a cache could hold it */
	enum tokens_basis seen_basis;
	struct report_split split;
	struct report_split bytes; /* the same of the normalised bytes */
	double ttft, decode, total;
	double decode_rate; /* tokens after the first one per second */
};

struct report_group { /* of a session or a lineage */
	uint64_t requests;
	struct report_tokens tokens;
	struct report_seconds seconds; /* wall: its own first to last byte */
	uint64_t failed;               /* no response, an error status or an error in the stream */
	uint64_t start_ns, end_ns;     /* real time */
	const char *model;             /* of most requests' last; NULL: not said */
	bool models;                   /* there were several */
};

struct report_system {
	struct digest fingerprint;
	uint64_t requests;
	uint64_t bytes_each;
	uint64_t bytes; /* of all sendings */
	int64_t tokens; /* of all sendings */
	enum tokens_basis basis;
};

struct report {
	struct trace *traces; /* borrowed */
	size_t ntraces;

	struct report_exchange *exchanges; /* in the order in which they began */
	size_t nexchanges;
	struct lineage_set lineages;
	struct report_group *lineage_groups, *session_groups; /* beside lineages.lineages and .sessions */
	uint32_t *by_session; /* lineages, those of a session together, in the order in which they begin */
	struct report_group all;

	struct report_split split, split_bytes; /* of all prompts that could be split */
	struct report_system *systems;          /* most bytes first */
	size_t nsystems;
	uint64_t count_requests;                     /* count_tokens */
	uint64_t billing_requests, billing_variants; /* prompts with a billing block, and how many different ones */
	uint64_t prompts_unreadable;                 /* prompts that a trace could not give back */
	char prompt_error[256];                      /* the first of them, "" if none */

	struct ring_loss ring_loss;
	struct pipeline_loss pipeline_loss;
	uint64_t lines_lost;
};

/* trace_prompt, or what stands for it in a test. */
typedef int report_prompt_fn(struct trace *t, size_t exchange, const struct trace_prompt_part **out, size_t *n,
			     char *error, size_t error_bytes);

/* Returns 0, or -1 with one line in error. The traces must outlive the report. report_release in either case. */
int report_build(struct trace *traces, size_t n, struct report *out, char *error, size_t error_bytes);
int report_build_with(report_prompt_fn *prompt, struct trace *traces, size_t n, struct report *out, char *error,
		      size_t error_bytes);
void report_release(struct report *r);

/* "A", "B", …, "Z", "AA", …: how people see a lineage. */
void report_lineage_name(uint32_t lineage, char out[8]);
/* "14", or "2:14" where there are several traces. */
void report_exchange_name(const struct report *r, const struct report_exchange *e, char out[32]);
/* Failed: no response, an error status, or an error in it. */
bool report_failed(const struct report_exchange *e);
/* "200 tool_use", "529", "none connection closed": as the trace has it, not fit for a terminal yet. Appends. */
void report_answer(const struct report_exchange *e, struct buf *to);

/* One to three sentences without a final line end. Appends. */
void report_headline(const struct report *r, struct buf *to);
/* Its beginning, "12 requests sent 310k prompt tokens (reported)", and its end, " 2 requests failed." or nothing. */
void report_headline_sizes(const struct report *r, struct buf *to);
void report_headline_failed(const struct report *r, struct buf *to);

#endif
