/* SPDX-License-Identifier: MIT */
/* Help texts, man page and shell completion, all from the command table. */
#include "cli/command.h"
#include "kvscope/version.h"

#include <stdio.h>
#include <string.h>

static const char *const group_titles[] = {
	[COMMAND_EVERYDAY] = "Everyday",
	[COMMAND_WORKSHOP] = "Workshop",
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

void help_program(void)
{
	puts("kvscope shows why the KV prefix cache missed in a coding-agent session, and what that cost.\n\n"
	     "Usage: kvscope COMMAND [OPTIONS] [ARGUMENTS]");
	for (int group = COMMAND_EVERYDAY; group <= COMMAND_WORKSHOP; group++) {
		printf("\n%s:\n", group_titles[group]);
		for (size_t i = 0; commands[i]; i++)
			if ((int)commands[i]->group == group)
				printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
	}
	puts("\n`kvscope COMMAND --help` explains a command. A TRACE of - is standard input. Exit status: 0 fine,\n"
	     "1 findings (only with --check), 2 usage or failure.");
}

/* "-o, --output FILE" */
static void option_title(const struct option_spec *spec, char *out, size_t out_bytes)
{
	char letter[8] = "    ";
	if (spec->letter)
		snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
	snprintf(out, out_bytes, "%s--%s%s%s", letter, spec->name, spec->arg ? " " : "", spec->arg ? spec->arg : "");
}

static void print_option(const char *title, const char *help)
{
	if (strlen(title) > 24)
		printf("  %s\n  %-24s  %s\n", title, "", help);
	else
		printf("  %-24s  %s\n", title, help);
}

void help_command(const struct command *command)
{
	printf("Usage: kvscope %s %s\n\n%s.\n", command->name, command->synopsis, command->summary);
	if (command->description)
		printf("\n%s\n", command->description);
	puts("\nOptions:");
	for (size_t i = 0; command->options && command->options[i].name; i++) {
		char title[96];
		option_title(&command->options[i], title, sizeof(title));
		print_option(title, command->options[i].help);
	}
	if (command->takes_json)
		print_option("    --json", "print data as JSON");
	print_option("-h, --help", "show this text");
	if (command->examples) {
		puts("\nExamples:");
		for (size_t i = 0; command->examples[i]; i++)
			printf("  $ %s\n", command->examples[i]);
	}
}

/* Text for roff: no line may begin with a control character, hyphens and backslashes are escaped. */
static void roff_text(const char *text)
{
	bool line_start = true;
	for (const char *p = text; *p; p++) {
		if (line_start && (*p == '.' || *p == '\''))
			fputs("\\&", stdout);
		if (p[0] == '\n' && p[1] == '\n') {
			fputs("\n.PP\n", stdout);
			p++;
			line_start = true;
			continue;
		}
		if (*p == '-')
			fputs("\\-", stdout);
		else if (*p == '\\')
			fputs("\\e", stdout);
		else
			putchar(*p);
		line_start = *p == '\n';
	}
}

static void roff_option(const char *title, const char *help)
{
	fputs(".TP\n.B ", stdout);
	roff_text(title + strspn(title, " "));
	putchar('\n');
	roff_text(help);
	putchar('\n');
}

void help_manpage(void)
{
	puts(".TH KVSCOPE 1 \"\" \"kvscope " KVSCOPE_VERSION "\"\n.SH NAME\n"
	     "kvscope \\- why the KV prefix cache missed in a coding\\-agent session, and what that cost\n"
	     ".SH SYNOPSIS\n.B kvscope\n.I COMMAND\n[OPTIONS] [ARGUMENTS]\n.SH COMMANDS");
	for (size_t i = 0; commands[i]; i++) {
		const struct command *c = commands[i];
		printf(".SS kvscope %s ", c->name);
		roff_text(c->synopsis);
		putchar('\n');
		roff_text(c->summary);
		puts(".");
		if (c->description) {
			puts(".PP");
			roff_text(c->description);
			putchar('\n');
		}
		for (size_t k = 0; c->options && c->options[k].name; k++) {
			char title[96];
			option_title(&c->options[k], title, sizeof(title));
			roff_option(title, c->options[k].help);
		}
		if (c->takes_json)
			roff_option("--json", "print data as JSON");
		for (size_t k = 0; c->examples && c->examples[k]; k++) {
			fputs(k == 0 ? ".PP\nExamples:\n.RS\n" : ".br\n", stdout);
			roff_text(c->examples[k]);
			putchar('\n');
			if (!c->examples[k + 1])
				puts(".RE");
		}
	}
	puts(".SH TRACES\nWhere a command takes a TRACE, \\- stands for standard input.\n.SH EXIT STATUS\n0 fine, 1 "
	     "findings (only with \\-\\-check), 2 usage or failure. \\fBrun\\fR ends as the "
	     "command "
	     "ended.\n.SH FILES\n.TP\n.I $XDG_STATE_HOME/kvscope\ndefault place of traces (~/.local/state/kvscope)");
}

static void command_names(void)
{
	for (size_t i = 0; commands[i]; i++)
		printf("%s%s", i ? " " : "", commands[i]->name);
}

void help_bash_completion(void)
{
	puts("# bash completion for kvscope; made from the command table\n_kvscope()\n{\n"
	     "\tlocal current=${COMP_WORDS[COMP_CWORD]}");
	fputs("\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"", stdout);
	command_names();
	puts("\" -- \"$current\"))\n\t\treturn\n\tfi\n\tcase \"$current\" in\n\t-*)\n\t\tcase \"${COMP_WORDS[1]}\" in");
	for (size_t i = 0; commands[i]; i++) {
		printf("\t\t%s) COMPREPLY=($(compgen -W \"--help", commands[i]->name);
		for (size_t k = 0; commands[i]->options && commands[i]->options[k].name; k++)
			printf(" --%s", commands[i]->options[k].name);
		printf("%s\" -- \"$current\")) ;;\n", commands[i]->takes_json ? " --json" : "");
	}
	puts("\t\tesac ;;\n\t*)\n\t\tcase \"${COMP_WORDS[1]}\" in");
	/* What follows is a command line of its own. */
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->stops_at_first_argument)
			printf("\t\t%s) COMPREPLY=($(compgen -c -- \"$current\") $(compgen -f -- \"$current\")) ;;\n",
			       commands[i]->name);
	fputs("\t\thelp) COMPREPLY=($(compgen -W \"", stdout);
	command_names();
	puts("\" -- \"$current\")) ;;\n\t\t*) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n\t\tesac ;;\n\tesac\n}\n"
	     "complete -o filenames -F _kvscope kvscope");
}
