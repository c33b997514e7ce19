/* SPDX-License-Identifier: MIT */
/* The command table: the one list of what the program can do. */
#include "cli/command.h"

#define COMMANDS(X)                                                                                                    \
	X(run) X(report) X(why) X(doctor) X(diff) X(replay) X(bench) X(show) X(mock) X(verify) X(collect) X(help)

#define COMMAND_DECLARE(name) extern const struct command cmd_##name;
COMMANDS(COMMAND_DECLARE)

#define COMMAND_ENTRY(name) &cmd_##name,
const struct command *const commands[] = {COMMANDS(COMMAND_ENTRY) NULL};
