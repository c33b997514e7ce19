/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_CUT_OFF_H
#define REPLAY_CUT_OFF_H

/*
 * Some servers cut a prompt that is longer than their context, and answer what is left as if nothing had happened: that
 * is no sample of this request. It shows in the tokens they count. Tokenizers differ, though by less than this: a
 * prompt has half of the tokens that were captured, and grows by a quarter of what it grew by.
 */

#include "replay/replay.h"

/* Makes an answered sample an error if its prompt was cut. The samples of this run that came before it are there. */
void judge_cut_off(const struct replay *r, size_t arm, unsigned repeat, size_t request);

#endif
