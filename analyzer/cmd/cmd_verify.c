/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "verify/verify.h"

enum { OPT_CHECK };

static const struct option_spec options[] = {
	[OPT_CHECK] = {.name = "check",
		       .help = "exit with status 1 if something looks like a key, or the trace has no end"},
	{0},
};

static const char *const examples[] = {
	"kvscope verify session.jsonl",
	"kvscope verify --check session.jsonl && upload session.jsonl",
	NULL,
};

static int print_result(const struct command_line *cl, const struct trace *t, const struct verify *v)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	if (cl->json)
		verify_json(t, v, &text);
	else
		verify_text(t, v, &text);
	bool findings = v->findings_in_all > 0 || !v->ended;
	int status = output_text(&text, v->problems_in_all > 0                    ? EXIT_TROUBLE
					: option_given(cl, OPT_CHECK) && findings ? EXIT_FINDINGS
										  : EXIT_OK);
	buf_release(&text);
	return status;
}

static int verify(const struct command_line *cl, struct trace *t)
{
	char error[1024];
	struct verify v;
	int status = EXIT_TROUBLE;

	if (verify_trace(t, &v, error, sizeof(error)) < 0)
		msg_error("verify: %s", error);
	else
		status = print_result(cl, t, &v);
	verify_release(&v);
	return status;
}

static int run_verify(const struct command_line *cl)
{
	struct input in;
	int status = EXIT_TROUBLE;

	if (cl->nargs > 1) {
		msg_error("verify: takes one trace, but got \"%s\"", cl->args[1]);
		return EXIT_TROUBLE;
	}
	if (input_read("verify", cl->args, (size_t)cl->nargs, &in) == 0)
		status = verify(cl, &in.traces[0]);
	input_release(&in);
	return status;
}

const struct command cmd_verify = {
	.name = "verify",
	.summary = "Prove a trace whole, and look for keys in it before it is shared",
	.synopsis = "[OPTIONS] [TRACE]",
	.description =
		"Rebuilds every body and compares its SHA-256, then every part's, ids, counts and footer, and "
		"searches\n"
		"all text for what looks like a key of a provider, credentials of a header, a private key, or a value\n"
		"whose name says that it is one. Each is told once, with the first place where it stands and never in\n"
		"full. It may be wrong in both ways: look at what it names, and do not take silence for a proof.\n\n"
		"Exit status: 0; 1 with --check if there are findings; 2 if the file does not prove.",
	.examples = examples,
	.options = options,
	.group = COMMAND_WORKSHOP,
	.takes_json = true,
	.run = run_verify,
};
