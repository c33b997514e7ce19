/* SPDX-License-Identifier: MIT */
/*
 * A small coding agent: asks a model, runs the tools it asks for, sends their results, until the model is content.
 * The session has three tasks of a user, a history that grows, and a sub-agent with a system prompt of its own. It
 * plays by the Anthropic Messages API, so the backend may be `kvscope mock` with the script beside this file, or real.
 */
#include "api.h"
#include "handbook.h"
#include "text.h"
#include "tools.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "Usage: agent [OPTIONS]\n"
			    "A small coding agent on the Anthropic Messages API; it works in a scratch folder.\n\n"
			    "  --base-url URL  where the model is (default: $ANTHROPIC_BASE_URL)\n"
			    "  --model NAME    default: claude-sonnet-4-5\n"
			    "  --turns N       most requests of the main agent (default: 12)\n"
			    "The key is taken from $ANTHROPIC_API_KEY.\n";

static const char *const tasks[] = {
	"The tests of this project fail. Find out why and repair the cause, not the test.",
	"Is the format of units.csv described anywhere, and does that fit the file? Let the second agent look.",
	"Please note the repair in CHANGES and run the tests one last time.",
};

#define READER_TURNS_MAX 6

struct agent {
	struct api api;
	struct workspace workspace;
	const char *model;
	int requests; /* sent so far, by all agents */
};

/* One conversation: the main one, or a sub-agent's. */
struct conversation {
	const char *name;
	const char *agent_id; /* NULL: the main agent */
	int turns_left;
	cJSON *system, *tools, *messages;
};

static cJSON *text_block(const char *text)
{
	cJSON *block = need(cJSON_CreateObject());

	need(cJSON_AddStringToObject(block, "type", "text"));
	need(cJSON_AddStringToObject(block, "text", text));
	return block;
}

/* Tells the backend to keep what stands before and at this block. */
static void mark_for_cache(cJSON *block)
{
	need(cJSON_AddStringToObject(need(cJSON_AddObjectToObject(block, "cache_control")), "type", "ephemeral"));
}

static void conversation_init(struct conversation *c, void (*handbook)(struct text *), bool only_reading)
{
	struct text prompt = {0};

	handbook(&prompt);
	c->system = need(cJSON_CreateArray());
	cJSON_AddItemToArray(c->system, text_block(prompt.p));
	mark_for_cache(cJSON_GetArrayItem(c->system, 0));
	c->tools = tools_describe(only_reading);
	c->messages = need(cJSON_CreateArray());
	text_release(&prompt);
}

static void conversation_release(struct conversation *c)
{
	cJSON_Delete(c->system);
	cJSON_Delete(c->tools);
	cJSON_Delete(c->messages);
}

static void add_message(struct conversation *c, const char *role, cJSON *content)
{
	cJSON *message = need(cJSON_CreateObject());

	need(cJSON_AddStringToObject(message, "role", role));
	cJSON_AddItemToObject(message, "content", content);
	cJSON_AddItemToArray(c->messages, message);
}

/* The conversation as a request. The mark of the newest block moves on with every request, as in real agents. */
static int ask(struct agent *a, struct conversation *c, struct reply *reply, char *error, size_t error_bytes)
{
	cJSON *last = cJSON_GetArrayItem(c->messages, cJSON_GetArraySize(c->messages) - 1);
	cJSON *blocks = cJSON_GetObjectItemCaseSensitive(last, "content");
	cJSON *newest = cJSON_GetArrayItem(blocks, cJSON_GetArraySize(blocks) - 1);
	cJSON *request = need(cJSON_CreateObject());
	int result;

	mark_for_cache(newest);
	need(cJSON_AddStringToObject(request, "model", a->model));
	cJSON_AddItemReferenceToObject(request, "messages", c->messages);
	cJSON_AddItemReferenceToObject(request, "system", c->system);
	cJSON_AddItemReferenceToObject(request, "tools", c->tools);
	need(cJSON_AddNumberToObject(request, "max_tokens", 4096));
	need(cJSON_AddTrueToObject(request, "stream"));
	result = api_send(&a->api, request, c->agent_id, reply, error, error_bytes);
	cJSON_Delete(request);
	cJSON_DeleteItemFromObjectCaseSensitive(newest, "cache_control");
	a->requests++;
	return result;
}

/* Prints at most one line of it. */
static void print_short(const char *prefix, const char *text)
{
	int n = (int)strcspn(text, "\n");

	printf("%s%.*s%s\n", prefix, n > 90 ? 90 : n, text, n > 90 || text[n] ? " ..." : "");
}

static void print_reply(const struct agent *a, const struct conversation *c, const struct reply *reply)
{
	const cJSON *block;

	printf("%3d %-6s first token %5.2f s, all %5.2f s", a->requests, c->name, reply->first_s, reply->total_s);
	if (reply->input_tokens >= 0)
		printf(", prompt %ld tokens",
		       reply->input_tokens + (reply->cached_tokens > 0 ? reply->cached_tokens : 0));
	if (reply->cached_tokens >= 0)
		printf(" (%ld cached)", reply->cached_tokens);
	putchar('\n');
	cJSON_ArrayForEach(block, reply->content)
	{
		const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(block, "text"));

		if (text)
			print_short("      ", text);
	}
	fflush(stdout);
}

static int delegate(struct agent *a, const char *task, struct text *report);

/* Runs one tool call; returns its tool_result block. */
static cJSON *answer_call(struct agent *a, struct conversation *c, const cJSON *call)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "name"));
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "id"));
	const cJSON *input = cJSON_GetObjectItemCaseSensitive(call, "input");
	char *shown = need(cJSON_PrintUnformatted(input));
	struct text answer = {0}, line = {0};
	cJSON *result = need(cJSON_CreateObject());
	int failed;

	text_addf(&line, "      -> %s ", name ? name : "?");
	print_short(line.p, shown);
	if (name && strcmp(name, "delegate") == 0 && !c->agent_id) {
		const char *task = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(input, "task"));

		failed = delegate(a, task ? task : "", &answer);
	} else {
		failed = tools_run(&a->workspace, name ? name : "", input, &answer);
	}
	need(cJSON_AddStringToObject(result, "type", "tool_result"));
	need(cJSON_AddStringToObject(result, "tool_use_id", id ? id : ""));
	need(cJSON_AddStringToObject(result, "content", answer.p ? answer.p : ""));
	if (failed)
		need(cJSON_AddTrueToObject(result, "is_error"));
	cJSON_free(shown);
	text_release(&answer);
	text_release(&line);
	return result;
}

/*
 * Plays a task to its end: the model's last text goes into report (NULL: not wanted). Stops early when the
 * conversation has no turns left. Returns 0, or -1 with a message on stderr.
 */
static int work(struct agent *a, struct conversation *c, const char *task, struct text *report)
{
	cJSON *content = need(cJSON_CreateArray());
	char error[512];

	cJSON_AddItemToArray(content, text_block(task));
	add_message(c, "user", content);
	while (c->turns_left-- > 0) {
		struct reply reply = {0};
		const cJSON *block;
		cJSON *results;

		if (ask(a, c, &reply, error, sizeof(error)) != 0) {
			fprintf(stderr, "agent: %s\n", error);
			reply_release(&reply);
			return -1;
		}
		print_reply(a, c, &reply);
		results = need(cJSON_CreateArray());
		cJSON_ArrayForEach(block, reply.content)
		{
			const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(block, "type"));
			const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(block, "text"));

			if (report && text) {
				text_clear(report);
				text_addf(report, "%s", text);
			}
			if (type && strcmp(type, "tool_use") == 0)
				cJSON_AddItemToArray(results, answer_call(a, c, block));
		}
		add_message(c, "assistant", reply.content);
		if (cJSON_GetArraySize(results) == 0) {
			cJSON_Delete(results);
			return 0;
		}
		add_message(c, "user", results);
	}
	return 0;
}

static int delegate(struct agent *a, const char *task, struct text *report)
{
	struct conversation c = {.name = "reader", .agent_id = "agent-reader-1", .turns_left = READER_TURNS_MAX};
	int result;

	conversation_init(&c, handbook_reader, true);
	result = work(a, &c, task, report);
	conversation_release(&c);
	return result;
}

/* A random UUID: each session is one of its own. */
static void make_session_id(char id[37])
{
	unsigned char r[16] = {0};
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, r, sizeof(r)) != (ssize_t)sizeof(r))
		die("cannot read /dev/urandom: %s", strerror(errno));
	close(fd);
	snprintf(id, 37, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
		 r[3], r[4], r[5], r[6] & 15u, r[7], r[8] & 15u, r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"base-url", required_argument, NULL, 'b'},
						{"model", required_argument, NULL, 'm'},
						{"turns", required_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct agent a = {.model = "claude-sonnet-4-5"};
	struct conversation c = {.name = "main", .turns_left = 12};
	const char *base_url = getenv("ANTHROPIC_BASE_URL"), *key = getenv("ANTHROPIC_API_KEY");
	char session[37], *end;
	int option, result = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			base_url = optarg;
			break;
		case 'm':
			a.model = optarg;
			break;
		case 't':
			c.turns_left = (int)strtol(optarg, &end, 10);
			if (*end || c.turns_left < 1 || c.turns_left > 1000)
				die("--turns takes a number from 1 to 1000");
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc || !base_url) {
		fputs(usage, stderr);
		return 2;
	}
	make_session_id(session);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (api_open(&a.api, base_url, key ? key : "sk-ant-example", session) != 0)
		return 2;
	if (workspace_open(&a.workspace) != 0) {
		api_close(&a.api);
		return 2;
	}
	conversation_init(&c, handbook_main, false);
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]) && result == 0 && c.turns_left > 0; i++) {
		print_short("user: ", tasks[i]);
		result = work(&a, &c, tasks[i], NULL);
	}
	printf("%d requests\n", a.requests);

	conversation_release(&c);
	workspace_close(&a.workspace);
	api_close(&a.api);
	curl_global_cleanup();
	return result == 0 ? 0 : 1;
}
