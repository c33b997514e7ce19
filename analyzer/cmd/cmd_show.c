/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/show.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_REQUEST, OPT_RESPONSE, OPT_DIFF };

static const struct option_spec options[] = {
	[OPT_REQUEST] = {.name = "request", .help = "print the body of the request, byte for byte"},
	[OPT_RESPONSE] = {.name = "response", .help = "print the body of the response, byte for byte"},
	[OPT_DIFF] = {.name = "diff",
		      .arg = "M",
		      .help = "print where the prompt of exchange M and this one part, and what differs"},
	{0},
};

static const char *const examples[] = {
	"kvscope show 12",
	"kvscope show session.jsonl 12 --request | jq .system",
	"kvscope show session.jsonl 12 --diff 11",
	NULL,
};

#define ERROR_BYTES 1024

static int parse_id(const char *text, uint64_t *out)
{
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n == 0) {
		msg_error("show: \"%s\" is not the number of an exchange", text);
		return -1;
	}
	*out = n;
	return 0;
}

static size_t find_exchange(const struct trace *t, uint64_t id)
{
	size_t at = trace_find_exchange(t, id);
	if (at == SIZE_MAX)
		msg_error("show: %s: there is no exchange %llu among its %zu", t->path, (unsigned long long)id,
			  t->nexchanges);
	return at;
}

static int print_body(struct trace *t, size_t at, bool request)
{
	char error[ERROR_BYTES];
	struct buf body;

	buf_init(&body, (size_t)1 << 30);
	int r = request ? trace_request_body(t, at, &body, error, sizeof(error))
			: trace_response_body(t, at, &body, error, sizeof(error));
	if (r >= 0)
		fwrite(body.p ? body.p : "", 1, body.n, stdout);
	if (r != 0)
		msg_error("show: %s", error);
	buf_release(&body);
	return finish_stdout(r == 0 ? EXIT_OK : EXIT_TROUBLE);
}

static int show(const struct command_line *cl, struct trace *t, size_t at)
{
	char error[ERROR_BYTES];
	int r;

	if (option_given(cl, OPT_REQUEST) || option_given(cl, OPT_RESPONSE))
		return print_body(t, at, option_given(cl, OPT_REQUEST));
	if (option_given(cl, OPT_DIFF)) {
		uint64_t id;
		size_t other;
		if (parse_id(option_value(cl, OPT_DIFF), &id) < 0 || (other = find_exchange(t, id)) == SIZE_MAX)
			return EXIT_TROUBLE;
		r = show_diff(t, other, at, cl->json, error, sizeof(error));
	} else {
		r = show_exchange(t, at, cl->json, error, sizeof(error));
	}
	if (r < 0) {
		msg_error("show: %s", error);
		return finish_stdout(EXIT_TROUBLE);
	}
	return finish_stdout(EXIT_OK);
}

static int run_show(const struct command_line *cl)
{
	uint64_t id;
	int status = EXIT_TROUBLE;

	if (cl->nargs < 1 || cl->nargs > 2) {
		msg_error("show: which exchange? (see: kvscope show --help)");
		return EXIT_TROUBLE;
	}
	if (option_given(cl, OPT_REQUEST) + option_given(cl, OPT_RESPONSE) + option_given(cl, OPT_DIFF) > 1) {
		msg_error("show: --request, --response and --diff exclude each other");
		return EXIT_TROUBLE;
	}
	if (parse_id(cl->args[cl->nargs - 1], &id) < 0)
		return EXIT_TROUBLE;
	struct input in;
	if (input_read("show", cl->args, (size_t)cl->nargs - 1, &in) == 0) {
		size_t at = find_exchange(&in.traces[0], id);
		if (at != SIZE_MAX)
			status = show(cl, &in.traces[0], at);
	}
	input_release(&in);
	return status;
}

const struct command cmd_show = {
	.name = "show",
	.summary = "Show one exchange of a trace, its bodies, or its difference to another",
	.synopsis = "[OPTIONS] [TRACE] N",
	.description =
		"N is the number of an exchange, as `kvscope report` prints it. Without TRACE the newest one made in "
		"this directory is taken, else the newest of all; which one is said on stderr.\n\n"
		"--diff compares what a model sees: parts without cache markers, in the order tools, system, "
		"messages. It names the first place where the two prompts part, the place up to which a prefix "
		"cache can help. What looks like a key is masked in excerpts; --request and --response mask "
		"nothing.",
	.examples = examples,
	.options = options,
	.group = COMMAND_WORKSHOP,
	.takes_json = true,
	.run = run_show,
};
