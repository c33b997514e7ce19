/* SPDX-License-Identifier: MIT */
#ifndef AGENT_HANDBOOK_H
#define AGENT_HANDBOOK_H

/*
 * The system prompts. The main agent's is a coding handbook of about 30 KB, as long as real agents have it, composed
 * from tables: it is the same in every request, so a prefix cache should pay for it once.
 */

#include "text.h"

void handbook_main(struct text *out);
void handbook_reader(struct text *out);

#endif
