/* SPDX-License-Identifier: MIT */
#ifndef TRACE_BASE64_H
#define TRACE_BASE64_H

#include "base/buf.h"

/* Appends the bytes that the text stands for. Returns 0, or -1 (nothing appended) if it is not base64 with padding. */
int base64_decode(struct str text, struct buf *out);

#endif
