/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_BODY_TRACE_H
#define TESTS_UNIT_BODY_TRACE_H

/* Traces made of request bodies: parsed, written and read again as real ones are. */

#include "prompt/prompt.h"
#include "trace/reader.h"
#include "trace/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/kvscope-test-bodies-XXXXXX";

/* A trace whose exchanges 1, 2, … have these bodies, one after the other. */
static inline void body_trace_make(const char *const *bodies, size_t n, enum kvs_llm_api api, enum content_mode content,
				   struct trace *t)
{
	const struct trace_header header = {.cwd = "/", .capture_mode = "preload", .content = content};
	const struct trace_footer footer = {.exit_status = -1, .signal = -1};
	struct trace_writer *w;
	char error[512];

	assert_int_equal(trace_writer_open(path, true, &header, &w, error, sizeof(error)), 0);
	for (size_t i = 0; i < n; i++) {
		struct prompt_request request;
		struct exchange x;
		const char *wrong;
		size_t offset;
		exchange_init(&x, 1 << 20, 1 << 20);
		x.id = i + 1;
		x.api = api;
		x.response.status = 200;
		x.times.request_start = i + 1;
		buf_puts(&x.request.body, bodies[i]);
		x.request.body_bytes = x.request.body.n;
		x.request.body_sha256 = digest_of(buf_str(&x.request.body));
		if (prompt_parse(api, buf_str(&x.request.body), NULL, &x.prompt, &request, &wrong, &offset))
			fail_msg("%s at %zu", wrong, offset);
		trace_writer_exchange(w, &x);
		exchange_release(&x);
	}
	assert_int_equal(trace_writer_close(w, &(struct ring_loss){0}, &(struct pipeline_loss){0}, &footer, error,
					    sizeof(error)),
			 0);
	if (trace_read(path, t, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static inline int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static inline int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

#define HEAD "{\"model\":\"m\",\"max_tokens\":9,\"messages\":["
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define MARKED(text)                                                                                                   \
	"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" text                                          \
	"\",\"cache_control\":{\"type\":\"ephemeral\"}}]}"
#define SAYS(text) "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}]}"
#define SYSTEM(text) "],\"system\":[{\"type\":\"text\",\"text\":\"" text "\"}]"
#define TOOLS(name) ",\"tools\":[{\"name\":\"" name "\",\"input_schema\":{\"type\":\"object\"}}]}"

#endif
