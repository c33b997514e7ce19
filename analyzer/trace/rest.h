/* SPDX-License-Identifier: MIT */
#ifndef TRACE_REST_H
#define TRACE_REST_H

#include "base/str.h"

#include <stddef.h>

/*
 * The end of a trace whose disk is full: goes into a file of its own, in a private folder on another file system if
 * there is one. `cat TRACE REST` is the whole trace. Says in error what was done: where the rest is, or how many lines
 * are lost. Returns 0, or -1 if no place was found.
 */
int rest_save(const char *trace_path, struct str lines, const char *reason, char *error, size_t error_bytes);

#endif
