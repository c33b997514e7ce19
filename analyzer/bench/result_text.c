/* SPDX-License-Identifier: MIT */
#include "bench/result.h"

#include "report/units.h"

#include <math.h>

static const char *seconds(double s, char out[UNITS_CHARS])
{
	return units_seconds(s, out);
}

/* "11.7 s (11.2 s to 12.1 s)"; no interval where there is none. */
static void interval_seconds(struct buf *out, struct ratio r)
{
	char v[UNITS_CHARS], low[UNITS_CHARS], high[UNITS_CHARS];

	buf_puts(out, seconds(r.value, v));
	if (!isnan(r.low))
		buf_printf(out, " (%s to %s)", r.low < 0 ? "0 ms" : seconds(r.low, low), seconds(r.high, high));
}

static void interval(struct buf *out, struct ratio r, double factor, const char *unit)
{
	if (isnan(r.value)) {
		buf_puts(out, "-");
		return;
	}
	int decimals = fabs(r.value * factor) < 10 ? 2 : 1;
	buf_printf(out, "%.*f%s", decimals, r.value * factor, unit);
	if (!isnan(r.low))
		buf_printf(out, " (%.*f to %.*f)", decimals, r.low * factor, decimals, r.high * factor);
}

/* A line of both ways to time: whole requests, then the first token. */
static void line(struct buf *out, const char *name, const char *formula, struct buf cells[BENCH_TIMES])
{
	buf_printf(out, "  %-21s %-18s %-28s %s\n", name, formula, cells[BENCH_TOTAL].n ? cells[BENCH_TOTAL].p : "",
		   cells[BENCH_TTFT].n ? cells[BENCH_TTFT].p : "");
	for (int i = 0; i < BENCH_TIMES; i++)
		buf_reset(&cells[i]);
}

static void ratio_line(struct buf *out, const char *name, const char *formula, struct buf cells[BENCH_TIMES],
		       const struct ratio r[BENCH_TIMES], double factor, const char *unit)
{
	for (int i = 0; i < BENCH_TIMES; i++)
		interval(&cells[i], r[i], factor, unit);
	line(out, name, formula, cells);
}

static void count_of(struct buf *out, int64_t n, int64_t of)
{
	char a[UNITS_CHARS], c[UNITS_CHARS];
	buf_printf(out, "%s of %s", units_count(n, a), units_count(of, c));
}

/* Means over the repeats, request by request. */
static void requests_table(const struct bench *b, size_t size, struct buf *out)
{
	buf_puts(out, "\n  request       off: whole, first token     on: whole, first token      reused (on)\n");
	for (unsigned k = 0; k <= BENCH_WITH; k++) {
		double sums[BENCH_MODES][BENCH_TIMES] = {{0}};
		size_t n[BENCH_MODES] = {0};
		int64_t cached = 0, prompts = 0;
		char s[4][UNITS_CHARS];
		for (size_t i = 0; i < b->nruns; i++) {
			const struct bench_sample *x = &b->runs[i].samples[k];
			enum bench_mode m = b->runs[i].mode;
			if (b->runs[i].size != size || x->outcome != CLIENT_DONE)
				continue;
			n[m]++;
			sums[m][BENCH_TOTAL] += x->total_s;
			sums[m][BENCH_TTFT] += x->ttft_s;
			if (m == BENCH_ON) {
				cached = cached < 0 || x->cached < 0 ? -1 : cached + x->cached;
				prompts = prompts < 0 || x->prompt < 0 ? -1 : prompts + x->prompt;
			}
		}
		double off = (double)n[BENCH_OFF], on = (double)n[BENCH_ON];
		if (k < BENCH_WITH)
			buf_printf(out, "  %-13u", k + 1);
		else
			buf_printf(out, "  %-13s", "without it");
		buf_printf(out, " %10s %10s       %10s %10s      ", seconds(sums[BENCH_OFF][0] / off, s[0]),
			   seconds(sums[BENCH_OFF][1] / off, s[1]), seconds(sums[BENCH_ON][0] / on, s[2]),
			   seconds(sums[BENCH_ON][1] / on, s[3]));
		if (n[BENCH_ON])
			count_of(out, cached < 0 ? -1 : cached / (int64_t)n[BENCH_ON],
				 prompts < 0 ? -1 : prompts / (int64_t)n[BENCH_ON]);
		else
			buf_puts(out, "-");
		buf_putc(out, '\n');
	}
}

static void size_text(const struct bench *b, size_t size, unsigned n, struct buf *out)
{
	struct bench_figures f;
	struct buf cells[BENCH_TIMES];
	char a[UNITS_CHARS], c[UNITS_CHARS];
	struct ratio r[5][BENCH_TIMES];

	bench_figures(b, size, n, &f);
	buf_printf(out, "\n%s tokens with the system prompt, %s without it", units_count(f.prompt_with, a),
		   units_count(f.prompt_without, c));
	if (f.failed)
		buf_printf(out, "; %zu of %zu requests failed", f.failed, f.failed + f.answered);
	buf_putc(out, '\n');
	requests_table(b, size, out);
	for (int t = 0; t < BENCH_TIMES; t++) {
		buf_init(&cells[t], 4096);
		r[0][t] = f.costs[t].share;
		r[1][t] = f.costs[t].relative;
		r[2][t] = f.costs[t].ratio;
		r[3][t] = f.costs[t].gain;
		r[4][t] = f.costs[t].project;
	}
	buf_printf(out, "\n  %-21s %-18s %-28s %s\n", "", "", "whole request", "to the first token");
	for (int t = 0; t < BENCH_TIMES; t++)
		interval_seconds(&cells[t], f.costs[t].overhead_s);
	line(out, "the system prompt", "T - B", cells);
	ratio_line(out, "... of a request", "(T - B) / T", cells, r[0], 100, " %");
	ratio_line(out, "... relative", "(R1 - B) / B", cells, r[1], 1, "");
	ratio_line(out, "... as a ratio", "R1 / B", cells, r[2], 1, "x");
	ratio_line(out, "with the cache", "T / W", cells, r[3], 1, "x");
	for (int t = 0; t < BENCH_TIMES; t++)
		buf_printf(&cells[t], "%s", seconds(f.costs[t].project_off_s, a));
	char name[48];
	snprintf(name, sizeof(name), "%u queries, off", n);
	line(out, name, "N T", cells);
	for (int t = 0; t < BENCH_TIMES; t++)
		buf_printf(&cells[t], "%s", seconds(f.costs[t].project_on_s, a));
	snprintf(name, sizeof(name), "%u queries, on", n);
	line(out, name, "T + (N - 1) W", cells);
	ratio_line(out, "... as a ratio", "", cells, r[4], 1, "x");
	buf_putc(out, '\n');
	bench_verdict(b, &f, out);
	for (int t = 0; t < BENCH_TIMES; t++)
		buf_release(&cells[t]);
}

static void rates_text(const struct bench *b, struct buf *out)
{
	struct bench_rate rates[4];
	size_t n = bench_rates(b, rates);
	char a[4][UNITS_CHARS];

	buf_puts(out, "\n  prompt      first token    prefill          decode      nothing reused\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "  %-10s %12s %10s %-6s %9s      ", units_count(rates[i].prompt, a[0]),
			   seconds(rates[i].ttft_s, a[1]), units_rate(rates[i].prefill, a[2]),
			   isnan(rates[i].prefill) ? ""
			   : rates[i].by_engine    ? "engine"
						   : "client",
			   units_rate(rates[i].decode, a[3]));
		units_plural(out, rates[i].n, "request");
		buf_putc(out, '\n');
	}
}

void bench_text(const struct bench *b, unsigned n, struct buf *out)
{
	char s[UNITS_CHARS];

	buf_printf(out, "%s at %s, model %s\n", b->facts.name, b->base.root, b->facts.model ? b->facts.model : "-");
	buf_printf(out, "%u %s of %u requests with a system prompt and one without, off and on, in %s%s\n",
		   b->options.repeats, b->options.repeats == 1 ? "repeat" : "repeats", BENCH_WITH,
		   seconds(b->seconds, s), b->stopped ? " (stopped before its end)" : "");
	if (b->options.repeats < b->repeats_asked)
		buf_printf(out, "%u repeats were asked for; all of them would have taken about %s (--full)\n",
			   b->repeats_asked, seconds(b->expected_s, s));
	for (size_t i = 0; i < b->options.nsizes; i++)
		size_text(b, i, n, out);
	rates_text(b, out);
	buf_puts(out, "\n  T with the system prompt and nothing reused, R1 the same, B without it, W with it from the "
		      "cache;\n"
		      "  in brackets 95 per cent intervals, of this machine at this time.\n");
}
