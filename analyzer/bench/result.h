/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

/* What people, programs and files get of a benchmark. All append to a buffer; its failed flag tells of lack of memory.
 */

#include "bench/figures.h"

/* n: queries of the projection. */
void bench_text(const struct bench *b, unsigned n, struct buf *out);
/* {"backend", "settings", "sizes": [...], "rates": [...], "requests": [...]}: docs/interpreting.md. */
void bench_json(const struct bench *b, unsigned n, struct buf *out);
/* One SVG picture of the first size: the requests of both modes, and the projection over 1 to n queries. */
void bench_chart(const struct bench *b, unsigned n, struct buf *out);
/* One request, its figures and the answer as it came. */
void bench_response_json(const struct bench_run *run, unsigned request, struct buf *out);

const char *bench_proof_name(enum bench_proof proof);
/* What to make of it, sentences one to a line: what was expected, and what to check where they do not hold. */
void bench_verdict(const struct bench *b, const struct bench_figures *f, struct buf *out);

#endif
