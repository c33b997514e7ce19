/* SPDX-License-Identifier: MIT */
#include "trace/line_json.h"

void line_json_digest(struct json_out *j, const char *key, const struct digest *d, const struct hide *hide)
{
	struct digest shown = hide_digest(hide, d);
	json_out_hex(j, key, shown.b, DIGEST_BYTES);
}

bool line_json_plain(struct str text)
{
	size_t controls = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == 0) /* many programs' strings end there, cJSON's too */
			return false;
		controls += c < 0x20 && c != '\n' && c != '\t' && c != '\r';
	}
	/* Each would take six characters; a body full of them must still fit into a line. */
	return controls <= text.n / 8 && utf8_valid(text);
}

void line_json_text(struct json_out *j, struct str text)
{
	if (line_json_plain(text))
		json_out_str(j, "text", text);
	else
		json_out_base64(j, "base64", text.p, text.n);
}

void line_json_times(struct json_out *j, const struct exchange_times *t)
{
	json_out_object(j, "times_ns");
	json_out_time_or_null(j, "request_start", t->request_start);
	json_out_time_or_null(j, "request_end", t->request_end);
	json_out_time_or_null(j, "first_byte", t->first_byte);
	json_out_time_or_null(j, "headers", t->headers);
	json_out_time_or_null(j, "message_start", t->message_start);
	json_out_time_or_null(j, "first_content", t->first_content);
	json_out_time_or_null(j, "end", t->end);
	json_out_end(j);
}
