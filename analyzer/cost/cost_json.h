/* SPDX-License-Identifier: MIT */
#ifndef COST_COST_JSON_H
#define COST_COST_JSON_H

/* The keys of `kvscope report --json` that say what the time went into (docs/report.md). Unknown is null. */

#include "base/json_out.h"
#include "cost/cost.h"

/* Into the open object "seconds" of a session, a lineage or all. */
void cost_json_seconds(struct json_out *j, const struct cost_seconds *s);
/* The object "cost" of an exchange. */
void cost_json_exchange(struct json_out *j, const struct cost_exchange *c);
/* "prefilled", "speedup", "backends". */
void cost_json_tokens(struct json_out *j, const struct cost_tokens *t);
void cost_json_speedup(struct json_out *j, const struct cost_speedup *s);
void cost_json_backends(struct json_out *j, const struct cost *c);

#endif
