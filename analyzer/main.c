/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "kvscope/version.h"

#include <string.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		help_program();
		finish_stdout(EXIT_OK);
		return EXIT_TROUBLE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_program();
		return finish_stdout(EXIT_OK);
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("kvscope " KVSCOPE_VERSION);
		return finish_stdout(EXIT_OK);
	}
	const struct command *command = command_find(argv[1]);
	if (!command) {
		msg_error("there is no command \"%s\" (see: kvscope --help)", argv[1]);
		return EXIT_TROUBLE;
	}
	return command_main(command, argc - 1, argv + 1);
}
