/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"

enum { OPT_MAN, OPT_BASH };

static const struct option_spec options[] = {
	[OPT_MAN] = {.name = "man", .help = "print the man page (roff)"},
	[OPT_BASH] = {.name = "bash-completion", .help = "print the completion script for bash"},
	{0},
};

static int run_help(const struct command_line *cl)
{
	if (option_given(cl, OPT_MAN)) {
		help_manpage();
	} else if (option_given(cl, OPT_BASH)) {
		help_bash_completion();
	} else if (cl->nargs > 0) {
		const struct command *command = command_find(cl->args[0]);
		if (!command) {
			msg_error("there is no command \"%s\" (see: kvscope --help)", cl->args[0]);
			return EXIT_TROUBLE;
		}
		help_command(command);
	} else {
		help_program();
	}
	return finish_stdout(EXIT_OK);
}

const struct command cmd_help = {
	.name = "help",
	.summary = "Explain a command, or print the man page or completion",
	.synopsis = "[OPTIONS] [COMMAND]",
	.options = options,
	.group = COMMAND_WORKSHOP,
	.run = run_help,
};
