/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/msg.h"
#include "cmd/output.h"
#include "doctor/doctor_text.h"

#include <stdlib.h>
#include <unistd.h>

#define MANAGED "/etc/claude-code/managed-settings.json"
#define CONNECT_LIMIT_S 5

enum { OPT_BACKEND, OPT_ENGINE, OPT_MODEL, OPT_ALL, OPT_CHECK };

static const struct option_spec options[] = {
	[OPT_BACKEND] = {.name = "backend",
			 .letter = 'b',
			 .arg = "URL",
			 .help = "ask this server what it is, by at most four GETs"},
	[OPT_ENGINE] = {.name = "engine",
			.letter = 'e',
			.arg = "ENGINE[@VERSION][+TEMPLATE]",
			.help = "judge by what this backend does to a prompt, whatever the server says"},
	[OPT_MODEL] = {.name = "model", .arg = "NAME", .help = "that requests will name (default: the server's first)"},
	[OPT_ALL] = {.name = "all", .letter = 'a', .help = "what does not apply, too, and all fixes"},
	[OPT_CHECK] = {.name = "check",
		       .help = "exit with status 1 if a setting is missing, or the backend refuses such prompts"},
	{0},
};

static const char *const examples[] = {
	"kvscope doctor",
	"kvscope doctor --backend http://localhost:8000 -- claude --model qwen3-coder",
	"kvscope doctor --engine llama.cpp@b9000+qwen3 --check",
	NULL,
};

static void read_settings(char *const *command, struct settings *out, struct sources *sources)
{
	const char *config = getenv("CLAUDE_CONFIG_DIR"), *home = getenv("HOME");
	char user[PATH_MAX] = "", state[PATH_MAX] = "";
	char *cwd = getcwd(NULL, 0);

	if (config && *config)
		snprintf(user, sizeof(user), "%.4000s", config);
	else if (home && *home)
		snprintf(user, sizeof(user), "%.4000s/.claude", home);
	const struct settings_places places = {
		.managed = MANAGED, .project = cwd ? cwd : ".", .user = user[0] ? user : NULL};
	settings_read(&places, out);
	if ((config && *config) || (home && *home))
		snprintf(state, sizeof(state), "%.4000s/.claude.json", config && *config ? config : home);
	const struct sources_places where = {
		.project = places.project, .user = state[0] ? state : NULL, .command = command};
	sources_read(&where, out, sources);
	free(cwd);
}

/* Returns 0, or -1 after having said what is wrong. */
static int ask_backend(const struct command_line *cl, struct engine_facts *facts)
{
	const struct client_options how = {.connect_s = CONNECT_LIMIT_S};
	const char *url = option_value(cl, OPT_BACKEND), *what;
	struct base_url base = {0};
	char error[512];
	int result = -1;

	if (base_url_parse(str_from(url), &base, &what) < 0) {
		msg_error("doctor: --backend: %s", what);
		return -1;
	}
	struct client *client = client_new(&how, &what);
	if (!client) {
		msg_error("doctor: %s", what);
		goto out;
	}
	result = engine_detect(client, &base, option_value(cl, OPT_ENGINE), option_value(cl, OPT_MODEL), facts, error,
			       sizeof(error));
	if (result < 0)
		msg_error("doctor: %s", error);
out:
	client_free(client);
	base_url_release(&base);
	return result;
}

/* The backend to judge by, from the server or from --engine. Returns 0 or -1; *known says whether there is one. */
static int choose_backend(const struct command_line *cl, struct engine_facts *facts, struct backend *backend,
			  bool *known)
{
	const char *engine = option_value(cl, OPT_ENGINE), *what;

	*known = false;
	if (option_given(cl, OPT_BACKEND)) {
		if (ask_backend(cl, facts) < 0)
			return -1;
		*backend = facts->backend;
		*known = backend->engine != ENGINE_UNKNOWN;
		return 0;
	}
	if (!engine)
		return 0;
	if (backend_parse(str_from(engine), backend, &what) < 0) {
		msg_error("doctor: --engine: \"%s\": %s", engine, what);
		return -1;
	}
	*known = true;
	return 0;
}

static int print(const struct command_line *cl, const struct doctor *d)
{
	const struct text_style style = text_style_for(stdout, option_given(cl, OPT_ALL));
	struct buf text;

	buf_init(&text, BUF_UNLIMITED);
	if (cl->json)
		doctor_json(d, &text);
	else
		doctor_text(d, &style, &text);
	bool breaks = d->open > 0 || d->refuses;
	int status = output_text(&text, option_given(cl, OPT_CHECK) && breaks ? EXIT_FINDINGS : EXIT_OK);
	buf_release(&text);
	return status;
}

static int run_doctor(const struct command_line *cl)
{
	static char claude[] = "claude";
	char *const usual[] = {claude, NULL};
	struct engine_facts facts = {0};
	struct program program;
	struct settings settings;
	struct sources sources;
	struct backend backend = {0};
	struct doctor doctor = {0};
	bool known;
	int status = EXIT_TROUBLE;

	if (choose_backend(cl, &facts, &backend, &known) < 0)
		goto out;
	program_look(cl->nargs > 0 ? cl->args : usual, getenv("PATH"), &program);
	if (!program.found && cl->nargs > 0) {
		msg_error("doctor: %s", program.detail);
		goto out;
	}
	read_settings(cl->nargs > 0 ? cl->args : usual, &settings, &sources);
	const struct doctor_input in = {.program = &program,
					.settings = &settings,
					.sources = &sources,
					.facts = option_given(cl, OPT_BACKEND) ? &facts : NULL,
					.backend = known ? &backend : NULL};
	if (doctor_build(&in, &doctor) < 0)
		msg_error("out of memory");
	else
		status = print(cl, &doctor);
	doctor_release(&doctor);
	settings_release(&settings);
out:
	engine_facts_release(&facts);
	return status;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "Say what will break the prefix for this client and backend, and the settings against it",
	.synopsis = "[OPTIONS] [-- COMMAND...]",
	.description =
		"Looks at the client (default: claude), at its settings files (managed, local, project, user) and the\n"
		"environment, and with --backend at the server, and says which prefix breakers this pair has before\n"
		"anything was sent: those of every session, and those that come where something changes.\n\n"
		"The client is not run to find its version, unless no package.json tells it and it is called claude:\n"
		"then with --version alone, in a namespace without a network. The server gets GETs only.",
	.examples = examples,
	.options = options,
	.group = COMMAND_EVERYDAY,
	.takes_json = true,
	.stops_at_first_argument = true,
	.run = run_doctor,
};
