/* SPDX-License-Identifier: MIT */
#include "trace/reader.h"
#include "trace/prompt_diff.h"
#include "verify/verify.h"

/*
 * Any bytes as a trace: whatever is read can be verified and asked for, and a file that comes in two pieces reads as
 * the whole does.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void ask(struct trace *t)
{
	const struct trace_prompt_part *parts;
	struct prompt_diff diff;
	struct buf out;
	char error[256];
	size_t n;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < t->nexchanges && i < 32; i++) {
		buf_reset(&out);
		if (trace_request_body(t, i, &out, error, sizeof(error)) == 0 &&
		    out.n != t->exchanges[i].request.body_bytes)
			abort();
		buf_reset(&out);
		trace_response_body(t, i, &out, error, sizeof(error));
		buf_reset(&out);
		trace_exchange_json(t, i, &out, error, sizeof(error));
		if (trace_prompt(t, i, &parts, &n, error, sizeof(error)) == 0)
			for (size_t k = 0; k < n; k++)
				if (parts[k].part >= t->nparts)
					abort();
		prompt_diff(t, 0, i, &diff, error, sizeof(error));
		prompt_diff_release(&diff);
	}
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct trace whole, pieces;
	char error[512], path[40];
	int fd = memfd_create("trace", MFD_CLOEXEC);
	size_t half = n / 2;

	if (fd < 0 || write(fd, data, half) != (ssize_t)half)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int opened = trace_open(path, &pieces, error, sizeof(error));
	if (opened == 0)
		trace_read_more(&pieces, error, sizeof(error));
	if (write(fd, data + half, n - half) != (ssize_t)(n - half))
		abort();
	if (opened == 0)
		trace_read_more(&pieces, error, sizeof(error));
	int r = trace_read(path, &whole, error, sizeof(error));
	if (opened == 0 && (r < 0 || whole.nexchanges != pieces.nexchanges || whole.nparts != pieces.nparts ||
			    whole.nopaque != pieces.nopaque || whole.has_footer != pieces.has_footer))
		abort();
	if (r == 0) {
		struct verify verified;
		if (verify_trace(&whole, &verified, error, sizeof(error)) < 0)
			abort();
		verify_release(&verified);
		ask(&whole);
	}
	trace_release(&pieces);
	trace_release(&whole);
	close(fd);
	return 0;
}
