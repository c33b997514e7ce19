/* SPDX-License-Identifier: MIT */
#include "mock/template.h"

#include "base/json_out.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz_"

static void append_escaped(struct buf *out, const char *value)
{
	struct json_out j;
	struct buf quoted;

	buf_init(&quoted, BUF_UNLIMITED);
	json_out_init(&j, &quoted, false);
	json_out_cstr(&j, NULL, value);
	if (quoted.failed || quoted.n < 2)
		out->failed = true;
	else
		buf_append(out, quoted.p + 1, quoted.n - 2);
	buf_release(&quoted);
}

static const struct mock_field *field_named(const struct mock_field *fields, struct str name)
{
	for (const struct mock_field *f = fields; f->name; f++)
		if (str_eq(str_from(f->name), name))
			return f;
	return NULL;
}

void mock_template(struct buf *out, const char *text, const struct mock_field *fields)
{
	for (;;) {
		size_t n = strcspn(text, "$");
		buf_append(out, text, n);
		text += n;
		if (!*text)
			return;
		struct str name = {text + 1, strspn(text + 1, NAME_CHARS)};
		const struct mock_field *f = field_named(fields, name);
		if (!f)
			buf_append(out, text, 1 + name.n);
		else if (f->raw)
			buf_puts(out, f->value);
		else
			append_escaped(out, f->value);
		text += 1 + name.n;
	}
}
