/* SPDX-License-Identifier: MIT */
#ifndef CMD_SHOW_H
#define CMD_SHOW_H

/* What `kvscope show` prints on stdout. Returns 0, or -1 with one line in error. */

#include "trace/reader.h"

int show_exchange(struct trace *t, size_t exchange, bool json, char *error, size_t error_bytes);
int show_diff(struct trace *t, size_t old_exchange, size_t new_exchange, bool json, char *error, size_t error_bytes);

#endif
