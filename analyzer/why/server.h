/* SPDX-License-Identifier: MIT */
#ifndef WHY_SERVER_H
#define WHY_SERVER_H

/*
 * Why a backend reused less than it could have, the prompts being equal as far as needed: from what else it was asked
 * in between.
 */

#include "render/backend.h"
#include "report/report.h"
#include "why/breaker.h"

/* Never NULL. `exchange` has a parent and reported tokens. */
const struct breaker *server_cause(const struct report *report, uint32_t exchange, const struct backend *backend);

#endif
