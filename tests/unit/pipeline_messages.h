/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PIPELINE_MESSAGES_H
#define TESTS_PIPELINE_MESSAGES_H

/* A request and its answers as the tests of the pipeline send them, and the lines (feed.h) that the pipeline makes of
 * them. */

#define BODY "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define REQUEST                                                                                                        \
	"POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nx-api-key: secret\r\nContent-Length: 72\r\n\r\n" BODY
#define JSON_ANSWER                                                                                                    \
	"{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],"                    \
	"\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 116\r\n\r\n" JSON_ANSWER
#define START                                                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"model\":\"m\","           \
	"\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define DELTA                                                                                                          \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"                             \
	"\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n"
#define STOP                                                                                                           \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"            \
	"\"usage\":{\"output_tokens\":9}}\n\n"
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
#define STREAM STREAM_HEAD "\r\n" START DELTA STOP

#define OK_LINE "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=116/116 out=4\n"
#define OK_LINE_2 "#2 POST /v1/messages?beta model=m body=72/72 → 200 body=116/116 out=4\n"

#endif
