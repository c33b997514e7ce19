/* SPDX-License-Identifier: MIT */
/* Command lines: parsing by getopt_long from a command's table, and typed access to what was given. */
#include "base/array.h"
#include "base/buf.h"
#include "cli/command.h"
#include "cli/msg.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

struct option_use {
	int option;
	const char *value;
};

/* getopt_long answers with these for what every command understands; a command's own options are numbered from 0. */
enum { HELP = 1000, JSON };

size_t option_count(const struct command_line *cl, int option)
{
	size_t n = 0;
	for (size_t i = 0; i < cl->nuses; i++)
		n += cl->uses[i].option == option;
	return n;
}

const char *option_nth(const struct command_line *cl, int option, size_t n)
{
	for (size_t i = 0; i < cl->nuses; i++)
		if (cl->uses[i].option == option && n-- == 0)
			return cl->uses[i].value;
	return NULL;
}

const char *option_value(const struct command_line *cl, int option)
{
	size_t n = option_count(cl, option);
	return n ? option_nth(cl, option, n - 1) : NULL;
}

bool option_given(const struct command_line *cl, int option)
{
	return option_count(cl, option) > 0;
}

int option_wrong(const struct command_line *cl, int option, const char *value, const char *expected)
{
	msg_error("%s: --%s: \"%s\" is not %s", cl->command->name, cl->command->options[option].name, value, expected);
	return -1;
}

int option_size(const struct command_line *cl, int option, uint64_t *out)
{
	const char *value = option_value(cl, option);
	if (!value)
		return 0;

	static const char expected[] = "a size such as 4M, 512k or 65536";
	char *end;
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (errno || end == value || value[0] == '-')
		return option_wrong(cl, option, value, expected);

	unsigned shift = 0;
	switch (*end) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (shift)
		end++;
	if (*end == 'i' && shift)
		end++;
	if (*end == 'B')
		end++;
	if (*end || n > UINT64_MAX >> shift)
		return option_wrong(cl, option, value, expected);
	*out = (uint64_t)n << shift;
	return 0;
}

int option_uint(const struct command_line *cl, int option, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *value = option_value(cl, option);
	if (!value)
		return 0;

	char *end;
	errno = 0;
	unsigned long long n = strtoull(value, &end, 10);
	if (errno || end == value || *end || value[0] == '-' || n < min || n > max) {
		char expected[80];
		snprintf(expected, sizeof(expected), "a whole number from %llu to %llu", (unsigned long long)min,
			 (unsigned long long)max);
		return option_wrong(cl, option, value, expected);
	}
	*out = n;
	return 0;
}

int option_double(const struct command_line *cl, int option, double min, double max, double *out)
{
	const char *value = option_value(cl, option);
	if (!value)
		return 0;

	char *end;
	errno = 0;
	double v = strtod(value, &end);
	if (errno || end == value || *end || !(v >= min && v <= max)) {
		char expected[80];
		snprintf(expected, sizeof(expected), "a number from %g to %g", min, max);
		return option_wrong(cl, option, value, expected);
	}
	*out = v;
	return 0;
}

int option_choice(const struct command_line *cl, int option, const char *const *words, unsigned *out)
{
	const char *value = option_value(cl, option);
	struct buf expected;

	if (!value)
		return 0;
	buf_init(&expected, 1024);
	for (unsigned i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i;
			buf_release(&expected);
			return 0;
		}
		buf_printf(&expected, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
	}
	option_wrong(cl, option, value, expected.failed ? "known" : expected.p);
	buf_release(&expected);
	return -1;
}

static int add_use(struct command_line *cl, size_t *capacity, int option, const char *value)
{
	struct option_use *grown = array_grow(cl->uses, capacity, cl->nuses + 1, sizeof(*grown));
	if (!grown) {
		msg_error("out of memory");
		return -1;
	}
	cl->uses = grown;
	cl->uses[cl->nuses++] = (struct option_use){option, value ? value : ""};
	return 0;
}

/* The letters and long options in the form that getopt_long wants. The caller frees *longs. */
static int getopt_tables(const struct command *command, struct buf *letters, struct option **longs)
{
	size_t n = 0;
	while (command->options && command->options[n].name)
		n++;
	*longs = calloc(n + 3, sizeof(**longs));
	if (!*longs)
		return -1;
	buf_puts(letters, command->stops_at_first_argument ? "+:" : ":");
	for (size_t i = 0; i < n; i++) {
		const struct option_spec *spec = &command->options[i];
		(*longs)[i] =
			(struct option){spec->name, spec->arg ? required_argument : no_argument, NULL, (int)i + 256};
		if (spec->letter)
			buf_printf(letters, "%c%s", spec->letter, spec->arg ? ":" : "");
	}
	(*longs)[n++] = (struct option){"help", no_argument, NULL, HELP};
	buf_puts(letters, "h");
	if (command->takes_json)
		(*longs)[n++] = (struct option){"json", no_argument, NULL, JSON};
	return letters->failed ? -1 : 0;
}

static int option_of_letter(const struct command *command, int letter)
{
	for (int i = 0; command->options && command->options[i].name; i++)
		if (command->options[i].letter == letter)
			return i;
	return -1;
}

int command_main(const struct command *command, int argc, char **argv)
{
	struct command_line cl = {.command = command};
	struct buf letters;
	struct option *longs = NULL;
	size_t capacity = 0;
	int status = EXIT_TROUBLE;

	buf_init(&letters, 256);
	if (getopt_tables(command, &letters, &longs) < 0) {
		msg_error("out of memory");
		goto out;
	}
	opterr = 0;
	optind = 1;
	for (;;) {
		int at = optind;
		int c = getopt_long(argc, argv, letters.p, longs, NULL);
		if (c == -1)
			break;
		if (c == HELP || c == 'h') {
			help_command(command);
			status = finish_stdout(EXIT_OK);
			goto out;
		}
		if (c == JSON) {
			cl.json = true;
			continue;
		}
		if (c == '?' || c == ':') {
			const char *word = at < argc ? argv[at] : "";
			msg_error(c == ':' ? "%s: %s wants a value (see: kvscope %s --help)"
					   : "%s: there is no option %s (see: kvscope %s --help)",
				  command->name, word, command->name);
			goto out;
		}
		int option = c >= 256 ? c - 256 : option_of_letter(command, c);
		if (add_use(&cl, &capacity, option, optarg) < 0)
			goto out;
	}
	cl.args = argv + optind;
	cl.nargs = argc - optind;
	status = command->run(&cl);
out:
	free(cl.uses);
	free(longs);
	buf_release(&letters);
	return status;
}
