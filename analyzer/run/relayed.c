/* SPDX-License-Identifier: MIT */
#include "run/relayed.h"

#include "base/buf.h"
#include "cli/msg.h"
#include "run/explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOPBACK "127.0.0.1"
#define END_MAX_MS 5000
#define ENV_MAX ((size_t)128 << 10)

/*
 * Which clients a server is for, by the variable that they take its base URL from. Servers of other domains may be
 * for either. A client of OpenAI's API expects the version in the base URL; where the server's own path has something
 * in it, that is it.
 */
static const struct {
	const char *variable;
	const char *domain;
	const char *path; /* appended when the server's URL has no path */
} apis[] = {
	{"ANTHROPIC_BASE_URL", "anthropic.com", ""},
	{"OPENAI_BASE_URL", "openai.com", "/v1"},
};
enum { APIS = sizeof(apis) / sizeof(apis[0]) };

static bool serves(const struct upstream *u, size_t api)
{
	for (size_t i = 0; i < APIS; i++)
		if (upstream_is_of(u, apis[i].domain))
			return i == api;
	return true;
}

int relayed_start(struct relayed *r, const char *ring, const sigset_t *mask, char *error, size_t error_bytes)
{
	struct relay_process_config config = {
		.upstream = &r->upstream, .cacert = r->cacert, .ring = ring, .mask = mask};
	return relay_process_start(&config, &r->process, error, error_bytes);
}

char *relayed_no_proxy(const char *existing, const char *host)
{
	struct buf merged;
	buf_init(&merged, ENV_MAX);
	if (existing && *existing)
		buf_printf(&merged, "%s,", existing);
	buf_puts(&merged, host);
	char *result = buf_steal(&merged);
	buf_release(&merged);
	return result;
}

static int exempt(const char *variable)
{
	char *value = relayed_no_proxy(getenv(variable), LOOPBACK);
	int result = value ? setenv(variable, value, 1) : -1;
	free(value);
	return result;
}

static int set_base_url(const struct relayed *r, size_t api)
{
	char value[256];
	const char *path = r->upstream.path[0] ? "" : apis[api].path;
	snprintf(value, sizeof(value), "%s%s", relay_process_url(r->process), path);
	return setenv(apis[api].variable, value, 1);
}

int relayed_environment(const struct relayed *r)
{
	for (size_t i = 0; i < APIS; i++)
		if (serves(&r->upstream, i) && set_base_url(r, i) < 0)
			return -1;
	if (strcmp(r->upstream.name, "api.anthropic.com") == 0 &&
	    setenv("_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL", "1", 1) < 0)
		return -1;
	/* The relay asks the proxies; a client that did so would ask them for a loopback address. */
	return exempt("NO_PROXY") < 0 || exempt("no_proxy") < 0 ? -1 : 0;
}

void relayed_warn(const struct relayed *r)
{
	struct base_url_override override;
	explain_find_override(&override);
	if (!override.file[0] || !serves(&r->upstream, 0))
		return;
	msg_note("%s sets ANTHROPIC_BASE_URL to %s, whatever the environment says: the client will not use the relay "
		 "(take it out of there for this run)",
		 override.file, override.url);
}

static void say_end(const struct relayed *r, const struct relay_process_end *end)
{
	const struct relay_stats *s = &end->stats;
	if (end->died && end->signal)
		msg_error("the relay was killed by signal %d; what came after that is missing", end->signal);
	else if (end->died)
		msg_error("the relay ended too early; what came after that is missing");
	if (s->failed > 0)
		msg_error("%s could not be reached %" PRIu64 " time%s: %s", r->upstream.url, s->failed,
			  s->failed == 1 ? "" : "s", s->failure);
	if (s->refused > 0)
		msg_note("%" PRIu64 " request%s to the relay without its token %s refused", s->refused,
			 s->refused == 1 ? "" : "s", s->refused == 1 ? "was" : "were");
	if (s->unread > 0)
		msg_note("%" PRIu64 " request%s to the relay could not be read as HTTP/1.1 and %s refused", s->unread,
			 s->unread == 1 ? "" : "s", s->unread == 1 ? "was" : "were");
}

void relayed_finish(struct relayed *r, int period_ms, void (*tick)(void *context), void *context)
{
	const struct timespec period = {.tv_nsec = period_ms * 1000000L};
	struct relay_process_end end;
	int waited_ms = 0;
	relay_process_stop(r->process);
	/* It ends by itself in a second or two, a full ring included, for tick empties that; if somebody has stopped
	 * it, it does not. */
	while (!relay_process_ended(r->process, &end)) {
		nanosleep(&period, NULL);
		tick(context);
		waited_ms += period_ms;
		if (waited_ms > END_MAX_MS)
			relay_process_kill(r->process);
	}
	r->process = NULL;
	say_end(r, &end);
}
