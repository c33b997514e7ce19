/* SPDX-License-Identifier: MIT */
#include "engines/reset.h"

#include "base/json_member.h"
#include "base/json_out.h"

#include <stdlib.h>
#include <time.h>

#define BODY_MAX ((size_t)1 << 20)
/* Loading a model takes as long as reading it from a disk. */
#define RESET_LIMIT_S 600.0
#define RESET_TRIES 50

static bool says_no(const struct client_answer *a)
{
	const struct buf *body = &a->x.response.body;
	cJSON *json = body->n ? cJSON_ParseWithLength(body->p, body->n) : NULL;
	bool no = cJSON_IsFalse(json_member(json, "success"));
	cJSON_Delete(json);
	return no;
}

static int post(struct client *client, const struct base_url *base, const char *path, const char *body,
		struct client_answer *a, char *error, size_t error_bytes)
{
	struct client_request request = {.path = path, .body = str_from(body), .limit_s = RESET_LIMIT_S};
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

	/* vLLM and SGLang refuse while a request that has just ended still holds blocks. */
	for (int i = 0; i < RESET_TRIES; i++) {
		enum client_outcome outcome = client_fetch(client, base, &request, a);
		bool held = (outcome == CLIENT_DONE && says_no(a)) || a->x.response.status == 400;
		if (outcome == CLIENT_DONE && !held)
			return 0;
		if (!held || i + 1 == RESET_TRIES) {
			snprintf(error, error_bytes, "POST %s: %s", path,
				 a->x.response.error ? a->x.response.error : "it is still in use");
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return -1;
}

static int reset_slots(struct client *client, const struct base_url *base, const struct engine_facts *f,
		       struct client_answer *a, char *error, size_t error_bytes)
{
	char path[64];

	for (int64_t slot = 0; slot < (f->slots > 0 ? f->slots : 1); slot++) {
		snprintf(path, sizeof(path), "/slots/%lld?action=erase", (long long)slot);
		if (post(client, base, path, "{}", a, error, error_bytes) < 0)
			return -1;
	}
	return 0;
}

/* {member: name, number_member: number} */
static int post_name(struct client *client, const struct base_url *base, const char *path, const char *member,
		     const char *name, const char *number_member, int64_t number, struct client_answer *a, char *error,
		     size_t error_bytes)
{
	struct buf body;
	struct json_out j;

	buf_init(&body, 4096);
	json_out_init(&j, &body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, member, name);
	if (number >= 0)
		json_out_int(&j, number_member, number);
	json_out_end(&j);
	int status = post(client, base, path, body.p, a, error, error_bytes);
	buf_release(&body);
	return status;
}

/* It comes back with the context that it had; the instance may have another name then. */
static int reload_lmstudio(struct client *client, const struct base_url *base, struct engine_facts *f,
			   struct client_answer *a, char *error, size_t error_bytes)
{
	const char *instance = f->instance ? f->instance : f->model;

	if (post_name(client, base, "/api/v1/models/unload", "instance_id", instance, NULL, -1, a, error, error_bytes) <
		    0 ||
	    post_name(client, base, "/api/v1/models/load", "model", f->model, "context_length", f->context_tokens, a,
		      error, error_bytes) < 0)
		return -1;
	const struct buf *body = &a->x.response.body;
	cJSON *json = body->n ? cJSON_ParseWithLength(body->p, body->n) : NULL;
	const char *loaded = json_text(json, "instance_id");
	char *copy = loaded ? strdup(loaded) : NULL;
	cJSON_Delete(json);
	if (copy) {
		free(f->instance);
		f->instance = copy;
		return 0;
	}
	/* Status 200 is what LM Studio says to everything. */
	snprintf(error, error_bytes, "POST /api/v1/models/load: no model was loaded");
	return -1;
}

int engine_reset(struct client *client, const struct base_url *base, struct engine_facts *f, char *error,
		 size_t error_bytes)
{
	struct client_answer a;
	int status = -1;

	client_answer_init(&a, BODY_MAX);
	switch (f->profile->reset) {
	case RESET_NONE:
		snprintf(error, error_bytes, "%s has no way to empty its cache", f->profile->name);
		break;
	case RESET_POST:
		status = post(client, base, f->profile->reset_path, "{}", &a, error, error_bytes);
		break;
	case RESET_SLOTS:
		status = reset_slots(client, base, f, &a, error, error_bytes);
		break;
	case RESET_OLLAMA_UNLOAD:
		/* The next request loads it again. */
		status = post_name(client, base, "/api/generate", "model", f->model, "keep_alive", 0, &a, error,
				   error_bytes);
		break;
	case RESET_LMSTUDIO_UNLOAD:
		status = reload_lmstudio(client, base, f, &a, error, error_bytes);
		break;
	}
	f->reset_works = status == 0 ? KNOWN_YES : KNOWN_NO;
	client_answer_release(&a);
	return status;
}
