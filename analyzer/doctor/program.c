/* SPDX-License-Identifier: MIT */
#include "doctor/program.h"

#include "base/buf.h"
#include "run/preflight.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKAGE_BYTES_MAX ((size_t)1 << 20)
/* Also of the packages with a build for one machine: "...-linux-x64". */
#define PACKAGE_NAME "@anthropic-ai/claude-code"
#define LEVELS 4 /* folders above the program in which its package.json is looked for */
#define ASK_LIMIT_MS 10000
#define ASK_NO_NAMESPACE 125

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool is_interpreter(const char *name)
{
	static const char *const names[] = {"node", "nodejs", "bun", "env", "npx"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(base_name(name), names[i]) == 0)
			return true;
	return false;
}

/* The file itself: that of a script behind its interpreter, links resolved. */
static void resolve(char *const *command, const char *path, struct program *out)
{
	char found[PATH_MAX], real[PATH_MAX];
	int which = 0;

	while (command[which] && command[which + 1] && is_interpreter(command[which]))
		which++;
	/* A script is a path; its interpreter would be found in PATH, and so would a program. */
	const char *name = command[which], *file = found;
	struct stat st;
	if ((which > 0 || strchr(name, '/')) && access(name, R_OK) == 0) {
		file = name;
	} else if (program_find(name, path, found) != 0) {
		snprintf(out->detail, sizeof(out->detail), "%.200s: not found", name);
		return;
	}
	if (!realpath(file, real) || stat(real, &st) < 0) {
		snprintf(out->detail, sizeof(out->detail), "%.200s: %s", file, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(out->detail, sizeof(out->detail), "%.200s: not a program", file);
		return;
	}
	out->found = true;
	snprintf(out->path, sizeof(out->path), "%s", real);
}

static int read_small(const char *path, struct buf *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0) {
		char *room = buf_reserve(to, 65536);
		n = room ? read(fd, room, 65536) : -1;
		if (n > 0)
			to->n += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return n == 0 ? 0 : -1;
}

/* Takes the version from a package.json, if it is Claude Code's. */
static bool take_package(const char *file, struct program *out)
{
	struct buf text;
	bool taken = false;

	buf_init(&text, PACKAGE_BYTES_MAX);
	if (read_small(file, &text) == 0) {
		cJSON *package = cJSON_ParseWithLength(text.p, text.n);
		const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(package, "name"));
		const char *version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(package, "version"));
		if (name && version && strncmp(name, PACKAGE_NAME, strlen(PACKAGE_NAME)) == 0) {
			taken = out->claude = true;
			snprintf(out->version, sizeof(out->version), "%s", version);
			snprintf(out->detail, sizeof(out->detail), "%.4000s", file);
			out->how = PROGRAM_PACKAGE;
		}
		cJSON_Delete(package);
	}
	buf_release(&text);
	return taken;
}

static bool from_package(struct program *out)
{
	char folder[PATH_MAX], file[PATH_MAX + 16];

	snprintf(folder, sizeof(folder), "%s", out->path);
	for (int level = 0; level < LEVELS; level++) {
		char *slash = strrchr(folder, '/');
		if (!slash)
			return false;
		*slash = '\0';
		snprintf(file, sizeof(file), "%s/package.json", folder);
		if (take_package(file, out))
			return true;
	}
	return false;
}

/* ~/.local/share/claude/versions/2.1.330 */
static bool from_file_name(struct program *out)
{
	struct client_version v;
	const char *name = base_name(out->path);

	if (!strstr(out->path, "/claude/") || !client_version_parse(str_from(name), &v))
		return false;
	out->claude = true;
	out->how = PROGRAM_FILE_NAME;
	snprintf(out->version, sizeof(out->version), "%.60s", name);
	snprintf(out->detail, sizeof(out->detail), "%s", out->path);
	return true;
}

/* ---- asking it */

static _Noreturn void child(const char *path, const char *home, int out)
{
	static char locale[] = "LANG=C.UTF-8", search[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char home_variable[64], name[] = "claude", option[] = "--version", program[PATH_MAX];
	char *argv[] = {name, option, NULL}, *environment[] = {home_variable, locale, search, NULL};
	const struct rlimit seconds = {ASK_LIMIT_MS / 1000, ASK_LIMIT_MS / 1000}, no_core = {0, 0};

	/* Without a network of its own, empty, it is not run at all. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
		_exit(ASK_NO_NAMESPACE);
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 || chdir(home) < 0)
		_exit(ASK_NO_NAMESPACE);
	setrlimit(RLIMIT_CPU, &seconds);
	setrlimit(RLIMIT_CORE, &no_core);
	setpgid(0, 0);
	snprintf(home_variable, sizeof(home_variable), "HOME=%.50s", home);
	snprintf(program, sizeof(program), "%s", path);
	execve(program, argv, environment);
	_exit(ASK_NO_NAMESPACE + 1);
}

/* Reads what it says until it ends, or for ten seconds; ends it then. Returns its wait status. */
static int listen_to(pid_t pid, int from, char *text, size_t bytes)
{
	size_t n = 0;
	int status = -1;

	for (;;) {
		struct pollfd p = {.fd = from, .events = POLLIN};
		ssize_t got = poll(&p, 1, ASK_LIMIT_MS) == 1 ? read(from, text + n, bytes - 1 - n) : -1;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n == bytes - 1)
			break;
	}
	text[n] = '\0';
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

/* What it may have left in its home. */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

static bool ask(struct program *out)
{
	char home[] = "/tmp/kvscope-doctor-XXXXXX", text[256];
	int pipes[2];
	bool understood = false;

	if (!mkdtemp(home))
		return false;
	if (pipe2(pipes, O_CLOEXEC) == 0) {
		pid_t pid = fork();
		if (pid == 0)
			child(out->path, home, pipes[1]);
		close(pipes[1]);
		int status = pid > 0 ? listen_to(pid, pipes[0], text, sizeof(text)) : -1;
		close(pipes[0]);
		if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == ASK_NO_NAMESPACE)
			snprintf(out->detail, sizeof(out->detail),
				 "it was not asked: no namespace without a network can be made here");
		else if (pid > 0 && client_version_parse(str_from(text), &out->parsed)) {
			understood = true;
			snprintf(out->version, sizeof(out->version), "%.*s", (int)strcspn(text, " \r\n"), text);
			out->how = PROGRAM_ASKED;
			snprintf(out->detail, sizeof(out->detail), "%s", out->path);
		} else {
			snprintf(out->detail, sizeof(out->detail), "it does not tell its version");
		}
	}
	nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return understood;
}

void program_look(char *const *command, const char *path, struct program *out)
{
	memset(out, 0, sizeof(*out));
	resolve(command, path, out);
	if (!out->found)
		return;
	if (!from_package(out) && !from_file_name(out)) {
		out->claude = strcmp(base_name(out->path), "claude") == 0;
		if (out->claude)
			ask(out);
		else
			snprintf(out->detail, sizeof(out->detail),
				 "no package.json comes with it, and programs of other names are not run");
	}
	if (!client_version_parse(str_from(out->version), &out->parsed) || !out->claude)
		memset(&out->parsed, 0, sizeof(out->parsed));
}

const char *program_how_words(enum program_how how)
{
	static const char *const words[] = {"unknown", "package.json", "file name",
					    "asked with --version, without a network"};
	return words[how];
}
