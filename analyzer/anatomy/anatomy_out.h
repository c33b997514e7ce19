/* SPDX-License-Identifier: MIT */
#ifndef ANATOMY_ANATOMY_OUT_H
#define ANATOMY_ANATOMY_OUT_H

/* The anatomy as the key "anatomy" of `kvscope report --json` and as a table of the report for people. */

#include "base/text_style.h"
#include "anatomy/anatomy.h"
#include "base/json_out.h"
#include "report/report_text.h"

/* NULL: null. */
void anatomy_json(struct json_out *j, const struct anatomy *a);
void anatomy_text(const struct anatomy *a, const struct text_style *style, struct buf *to);

#endif
