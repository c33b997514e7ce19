/* SPDX-License-Identifier: MIT */
#ifndef COST_COST_TEXT_H
#define COST_COST_TEXT_H

/* The part of the report for people that says where the time went. Appends. */

#include "base/text_style.h"
#include "cost/cost.h"
#include "report/report_text.h"

void cost_text(const struct report *r, const struct cost *c, const struct text_style *style, struct buf *to);

#endif
