/* SPDX-License-Identifier: MIT */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/*
 * One command of the program, as data. The table in commands.c lists them all; --help, the man page, the shell
 * completion and the tests are made from it. A cmd_*.c file defines its options and its function:
 *
 *     enum { OPT_PORT, OPT_LOG };
 *     static const struct option_spec options[] = {
 *         [OPT_PORT] = {.name = "port", .letter = 'p', .arg = "N", .help = "port to listen on (0: any)"},
 *         [OPT_LOG] = {.name = "log", .arg = "FILE", .help = "one JSON line per request"},
 *         {0},
 *     };
 *     const struct command cmd_mock = {.name = "mock", .run = run_mock, .options = options, ...};
 *
 *     static int run_mock(const struct command_line *cl)
 *     {
 *         const char *log = option_value(cl, OPT_LOG);   // NULL: not given
 *         ...
 *     }
 *
 * --help is understood for every command, --json where takes_json is set (option_json() tells).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_spec {
	const char *name; /* long name, without dashes */
	char letter;      /* short name, or 0 */
	const char *arg;  /* what its argument is called in the help; NULL: takes none */
	const char *help; /* one sentence without a final stop */
};

enum command_group { COMMAND_EVERYDAY, COMMAND_WORKSHOP };

struct command_line;

struct command {
	const char *name;
	const char *summary;               /* one line for the list of commands */
	const char *synopsis;              /* what follows the name, such as "[OPTIONS] [TRACE...]" */
	const char *description;           /* paragraphs separated by an empty line; not wrapped */
	const char *const *examples;       /* command lines; NULL-terminated */
	const struct option_spec *options; /* ends with an entry without a name; NULL: none */
	enum command_group group;
	bool takes_json;
	bool stops_at_first_argument; /* what follows the first argument is not ours to read (run) */
	/* Returns the exit status: EXIT_OK, EXIT_FINDINGS or EXIT_TROUBLE. */
	int (*run)(const struct command_line *cl);
};

enum exit_status { EXIT_OK = 0, EXIT_FINDINGS = 1, EXIT_TROUBLE = 2 };

/* The parsed command line. Everything in it borrows from argv. */
struct command_line {
	const struct command *command;
	char **args; /* what is left after the options */
	int nargs;
	bool json;
	struct option_use *uses; /* in the order given */
	size_t nuses;
};

/* All commands in the order of the help; NULL-terminated. */
extern const struct command *const commands[];
const struct command *command_find(const char *name);

/* How often an option was given. */
size_t option_count(const struct command_line *cl, int option);
/* Its argument the nth time it was given (from 0), NULL if it was not. */
const char *option_nth(const struct command_line *cl, int option, size_t n);
/* Its argument the last time it was given, NULL if it was not; "" for an option without argument. */
const char *option_value(const struct command_line *cl, int option);
bool option_given(const struct command_line *cl, int option);
/*
 * A number with an optional unit: sizes take k, M, G (powers of 1024) and an optional B or iB. Absent: *out keeps
 * what it has. Returns 0, or -1 after having said what is wrong on stderr.
 */
int option_size(const struct command_line *cl, int option, uint64_t *out);
int option_uint(const struct command_line *cl, int option, uint64_t min, uint64_t max, uint64_t *out);
int option_double(const struct command_line *cl, int option, double min, double max, double *out);
/* One of these words (NULL-terminated): its index. */
int option_choice(const struct command_line *cl, int option, const char *const *words, unsigned *out);
/* Says that a value is not what was expected ("a number"). Always -1. */
int option_wrong(const struct command_line *cl, int option, const char *value, const char *expected);

/* Parses argv (argv[0] is the command's name) and runs the command. */
int command_main(const struct command *command, int argc, char **argv);

/* The help texts, on stdout. */
void help_program(void);
void help_command(const struct command *command);
/* Man page (roff) and completions, made from the table at build time: `kvscope help --man`, `--bash-completion`. */
void help_manpage(void);
void help_bash_completion(void);

#endif
