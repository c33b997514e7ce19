/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_RESULT_HTML_H
#define REPLAY_RESULT_HTML_H

/* A page with charts: seconds to the first token per turn and cumulative, one line or column per arm; session time per
 * backend. Needs nothing from elsewhere, as the pages of html/. */

#include "replay/result.h"

/* list is ranked. Appends. 0, or -1: no memory. */
int result_html(const struct result *list, size_t n, struct buf *to) __attribute__((warn_unused_result));

#endif
