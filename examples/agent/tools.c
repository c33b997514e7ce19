/* SPDX-License-Identifier: MIT */
#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1 << 18)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * The project: a table of units and tests of it. The factor of the mile is wrong, which is what the session is about.
 */
static const struct {
	const char *path;
	const char *content;
} project[] = {
	{"README.md",
	 "# units\n\nConverts lengths and weights. `units.csv` has one unit per line: its name, the base unit "
	 "it is\nmeasured in, and how many base units it is. `tests/conversions.txt` has one case per line.\n"},
	{"units.csv", "name,base,factor\nm,m,1\nkm,m,1000\ncm,m,0.01\ninch,m,0.0254\nfoot,m,0.3048\nmile,m,1690.344\n"
		      "g,g,1\nkg,g,1000\npound,g,453.59237\n"},
	{"docs/format.md",
	 "# Format of units.csv\n\nThree columns, separated by commas. Factors are decimal and exact where "
	 "a definition exists:\nan inch is 0.0254 m, a foot 12 inches, a mile 5280 feet.\n"},
	{"tests/conversions.txt",
	 "3 km m 3000\n1 foot inch 12\n1 mile m 1609.344\n26.2 mile km 42.1648\n2 pound g 907.18474\n"},
	{"CHANGES", "0.1  first version\n"},
};
static const char *const folders[] = {"docs", "tests"};

int workspace_open(struct workspace *w)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(w->path, sizeof(w->path), "%s/units-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	w->dir_fd = -1;
	if (n < 0 || (size_t)n >= sizeof(w->path) || !mkdtemp(w->path)) {
		perror("agent: cannot make a scratch folder");
		return -1;
	}
	w->dir_fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < COUNT(folders); i++)
		mkdirat(w->dir_fd, folders[i], 0700);
	for (size_t i = 0; i < COUNT(project); i++) {
		int fd = openat(w->dir_fd, project[i].path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		size_t bytes = strlen(project[i].content);
		ssize_t written = fd < 0 ? -1 : write(fd, project[i].content, bytes);

		if (fd >= 0)
			close(fd);
		if (written != (ssize_t)bytes) {
			fprintf(stderr, "agent: cannot write %s/%s\n", w->path, project[i].path);
			workspace_close(w);
			return -1;
		}
	}
	return 0;
}

void workspace_close(struct workspace *w)
{
	if (w->dir_fd < 0)
		return;
	/* No tool makes a file, so these are all. */
	for (size_t i = 0; i < COUNT(project); i++)
		unlinkat(w->dir_fd, project[i].path, 0);
	for (size_t i = 0; i < COUNT(folders); i++)
		unlinkat(w->dir_fd, folders[i], AT_REMOVEDIR);
	close(w->dir_fd);
	rmdir(w->path);
	w->dir_fd = -1;
}

static int fail(struct text *out, const char *path)
{
	text_addf(out, "%s: %s", path, strerror(errno));
	return -1;
}

/* A descriptor of a file or folder inside the workspace, or -1 with errno. */
static int open_inside(const struct workspace *w, const char *path, int flags)
{
	if (path[0] == '/' || strstr(path, "..")) {
		errno = EACCES;
		return -1;
	}
	return openat(w->dir_fd, path, flags | O_NOFOLLOW | O_CLOEXEC);
}

static int load(const struct workspace *w, const char *path, struct text *out)
{
	int fd = open_inside(w, path, O_RDONLY);
	char chunk[4096];
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (out->n < FILE_MAX_BYTES && (n = read(fd, chunk, sizeof(chunk))) > 0)
		text_add(out, chunk, (size_t)n);
	close(fd);
	return n < 0 ? -1 : 0;
}

static const char *input_string(const cJSON *input, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(input, name));

	return s ? s : "";
}

static int name_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int list_dir(struct workspace *w, const cJSON *input, struct text *out)
{
	const char *path = input_string(input, "path");
	int fd = open_inside(w, *path ? path : ".", O_RDONLY | O_DIRECTORY);
	struct dirent **entries = NULL;
	int n;

	if (fd < 0)
		return fail(out, path);
	n = scandirat(fd, ".", &entries, NULL, name_order);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			text_addf(out, "%s%s\n", entries[i]->d_name, entries[i]->d_type == DT_DIR ? "/" : "");
		free(entries[i]);
	}
	free(entries);
	close(fd);
	return n < 0 ? fail(out, path) : 0;
}

static int read_file(struct workspace *w, const cJSON *input, struct text *out)
{
	const char *path = input_string(input, "path");

	return load(w, path, out) == 0 ? 0 : fail(out, path);
}

static int edit_file(struct workspace *w, const cJSON *input, struct text *out)
{
	const char *path = input_string(input, "path"), *old = input_string(input, "old");
	const char *new = input_string(input, "new");
	struct text before = {0}, after = {0};
	int result = -1, fd = -1;
	char *at;

	if (load(w, path, &before) != 0) {
		fail(out, path);
		goto out;
	}
	at = before.p && *old ? strstr(before.p, old) : NULL;
	if (!at || strstr(at + 1, old)) {
		text_addf(out, "%s: the old text must occur exactly once", path);
		goto out;
	}
	text_addf(&after, "%.*s%s%s", (int)(at - before.p), before.p, new, at + strlen(old));
	fd = open_inside(w, path, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, after.p, after.n) != (ssize_t)after.n) {
		fail(out, path);
		goto out;
	}
	text_addf(out, "%s: edited", path);
	result = 0;
out:
	if (fd >= 0)
		close(fd);
	text_release(&before);
	text_release(&after);
	return result;
}

/* Every line of the project that contains the text. */
static int search(struct workspace *w, const cJSON *input, struct text *out)
{
	const char *wanted = input_string(input, "text");

	for (size_t i = 0; i < COUNT(project); i++) {
		struct text file = {0};
		char *rest = load(w, project[i].path, &file) == 0 ? file.p : NULL;
		char *line;

		for (int number = 1; (line = strsep(&rest, "\n")); number++) {
			if (*line && strstr(line, wanted))
				text_addf(out, "%s:%d: %s\n", project[i].path, number, line);
		}
		text_release(&file);
	}
	if (out->n == 0)
		text_addf(out, "no line has \"%s\"", wanted);
	return 0;
}

/* How many base units the unit is, by units.csv; NaN when it is not there. */
static double factor_of(const char *table, const char *unit)
{
	size_t n = strlen(unit);
	double factor;

	for (const char *line = table; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, unit, n) == 0 && sscanf(line + n, ",%*[a-z],%lf", &factor) == 1)
			return factor;
	}
	return NAN;
}

static int run_tests(struct workspace *w, const cJSON *input, struct text *out)
{
	struct text table = {0}, cases = {0};
	int failed = 0, total = 0, result = -1;
	char *rest, *line;

	(void)input;
	if (load(w, "units.csv", &table) != 0 || load(w, "tests/conversions.txt", &cases) != 0 || !table.p) {
		fail(out, "units.csv or tests/conversions.txt");
		goto out;
	}
	rest = cases.p;
	while ((line = strsep(&rest, "\n"))) {
		double amount, expected, got;
		char from[32], to[32];

		if (sscanf(line, "%lf %31s %31s %lf", &amount, from, to, &expected) != 4)
			continue;
		got = amount * factor_of(table.p, from) / factor_of(table.p, to);
		total++;
		if (fabs(got - expected) <= 1e-4 * fabs(expected)) {
			text_addf(out, "ok    %g %s = %g %s\n", amount, from, got, to);
		} else {
			failed++;
			text_addf(out, "FAIL  %g %s = %g %s, expected %g\n", amount, from, got, to, expected);
		}
	}
	text_addf(out, "%d of %d passed\n", total - failed, total);
	result = 0;
out:
	text_release(&table);
	text_release(&cases);
	return result;
}

static const struct tool {
	const char *name;
	const char *description;
	const char *parameters[3][2]; /* name and description of each; all are strings and required */
	bool writes;
	int (*run)(struct workspace *w, const cJSON *input, struct text *out);
} tools[] = {
	{"list_dir",
	 "List a folder of the project. Folders end with a slash. Use it before you guess at names.",
	 {{"path", "folder, relative to the root of the project; \".\" is the root"}},
	 false,
	 list_dir},
	{"read_file",
	 "Read a text file of the project from its first to its last line.",
	 {{"path", "file, relative to the root of the project"}},
	 false,
	 read_file},
	{"search",
	 "Find all lines of the project that contain a text. Answers with file, line number and line.",
	 {{"text", "what to look for, taken literally"}},
	 false,
	 search},
	{"edit_file",
	 "Replace a text that occurs exactly once in a file by another one. Read the file first.",
	 {{"path", "file, relative to the root of the project"},
	  {"old", "the text to replace, exactly as it stands there"},
	  {"new", "what to put in its place"}},
	 true,
	 edit_file},
	{"run_tests",
	 "Run the tests of the project. Answers with one line per case and a summary.",
	 {{0}},
	 true,
	 run_tests},
	{"delegate",
	 "Give a question that needs reading but no change to a second agent with an empty context. Answers with its "
	 "report.",
	 {{"task", "the question, complete: the other agent has not seen this conversation"}},
	 true,
	 NULL}, /* the agent itself does this one */
};

cJSON *tools_describe(bool only_reading)
{
	cJSON *list = need(cJSON_CreateArray());

	for (const struct tool *t = tools; t < tools + COUNT(tools); t++) {
		cJSON *tool, *schema, *properties, *required;

		if (only_reading && t->writes)
			continue;
		tool = need(cJSON_CreateObject());
		cJSON_AddItemToArray(list, tool);
		need(cJSON_AddStringToObject(tool, "name", t->name));
		need(cJSON_AddStringToObject(tool, "description", t->description));
		schema = need(cJSON_AddObjectToObject(tool, "input_schema"));
		need(cJSON_AddStringToObject(schema, "type", "object"));
		properties = need(cJSON_AddObjectToObject(schema, "properties"));
		required = need(cJSON_AddArrayToObject(schema, "required"));
		for (size_t i = 0; i < COUNT(t->parameters) && t->parameters[i][0]; i++) {
			cJSON *property = need(cJSON_AddObjectToObject(properties, t->parameters[i][0]));

			need(cJSON_AddStringToObject(property, "type", "string"));
			need(cJSON_AddStringToObject(property, "description", t->parameters[i][1]));
			cJSON_AddItemToArray(required, need(cJSON_CreateString(t->parameters[i][0])));
		}
	}
	return list;
}

int tools_run(struct workspace *w, const char *name, const cJSON *input, struct text *out)
{
	for (const struct tool *t = tools; t < tools + COUNT(tools); t++) {
		if (strcmp(name, t->name) == 0 && t->run)
			return t->run(w, input, out);
	}
	text_addf(out, "there is no tool \"%s\"", name);
	return -1;
}
