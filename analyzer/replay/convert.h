/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_CONVERT_H
#define REPLAY_CONVERT_H

/*
 * Inside of rewriting: an Anthropic body as one of Chat Completions. Nothing is left out in silence: what has no place
 * there is a change (rewrite.h).
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

/* Appends the converted body and adds to *changes. 0, or -1: no list of messages, or no memory. */
int convert_body(struct str body, struct buf *out, uint32_t *changes) __attribute__((warn_unused_result));

/* Of these, the parts. Appends `,"name":value` for each parameter of the body that Chat Completions has. */
void convert_parameters(struct str body, struct buf *out, uint32_t *changes);
/* Adds to *changes what of a block, tool or message is lost. */
void convert_note_tool(struct str tool, uint32_t *changes);
void convert_note_message(struct str message, uint32_t *changes);
void convert_note_system(struct str system, uint32_t *changes);
/* A tool that is a function with a schema: those of the API itself (web search) are not. */
bool convert_is_function(struct str tool);
/* The source of an image block that says where or what the image is; absent: none that can be sent. */
struct str convert_image_source(struct str block);

#endif
