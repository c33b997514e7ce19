/* SPDX-License-Identifier: MIT */
/* What a trace is worth when things go wrong: cut and damaged files, full disks, size limits. */
#include "trace/reader.h"
#include "trace/sink.h"
#include "unit/conversation.h"

#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/kvscope-test-faults-XXXXXX";
static char path[64], other[64];
static char error[1024];

static struct trace_writer *open_writer(const char *to)
{
	static const char *const command[] = {"client", NULL};
	const struct trace_header header = {.command = command, .cwd = "/", .capture_mode = "preload"};
	struct trace_writer *w;
	if (trace_writer_open(to, true, &header, &w, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return w;
}

static int close_writer(struct trace_writer *w)
{
	const struct ring_loss ring = {0};
	const struct pipeline_loss pipeline = {0};
	const struct trace_footer footer = {.end_ns = 1, .exit_status = 0, .signal = -1, .complete = true};
	error[0] = '\0';
	return trace_writer_close(w, &ring, &pipeline, &footer, error, sizeof(error));
}

static void write_next(struct trace_writer *w, struct conversation *c, uint64_t id)
{
	struct exchange x;
	conversation_exchange(c, id, &x);
	trace_writer_exchange(w, &x);
	exchange_release(&x);
}

static void write_turns(struct trace_writer *w, struct conversation *c, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		c->messages = 2 * i + 1;
		write_next(w, c, i + 1);
	}
	trace_writer_flush(w);
}

/* All bodies of the trace are there and have their SHA-256. */
static void check_bodies(struct trace *t)
{
	struct buf body;
	buf_init(&body, 1 << 28);
	for (size_t i = 0; i < t->nexchanges; i++) {
		buf_reset(&body);
		if (trace_request_body(t, i, &body, error, sizeof(error)) != 0 ||
		    trace_response_body(t, i, &body, error, sizeof(error)) != 0)
			fail_msg("%s", error);
	}
	buf_release(&body);
}

static void slurp(const char *from, struct buf *out)
{
	char chunk[65536];
	size_t n;
	FILE *f = fopen(from, "r");
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(out, chunk, n);
	fclose(f);
}

static void spill(const char *to, struct str text)
{
	FILE *f = fopen(to, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
	assert_int_equal(fclose(f), 0);
}

static size_t lines_of(struct str s, const char *type)
{
	char wanted[40];
	size_t n = 0;
	snprintf(wanted, sizeof(wanted), "{\"type\":\"%s\"", type);
	for (size_t at = 0; at < s.n;) {
		const char *feed = memchr(s.p + at, '\n', s.n - at);
		if (!feed)
			break;
		n += str_starts((struct str){s.p + at, s.n - at}, str_from(wanted));
		at = (size_t)(feed - s.p) + 1;
	}
	return n;
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	struct conversation c = {.session = "s", .text_size = 60, .marker = true};
	struct trace_writer *w = open_writer(path);
	struct buf whole;
	struct trace t;

	write_turns(w, &c, 0, 3);
	assert_int_equal(close_writer(w), 0);
	buf_init(&whole, 1 << 20);
	slurp(path, &whole);
	size_t header = (size_t)((char *)memchr(whole.p, '\n', whole.n) - whole.p) + 1;

	for (size_t cut = 0; cut <= whole.n; cut++) {
		struct str kept = {whole.p, cut};
		spill(other, kept);
		int r = trace_read(other, &t, error, sizeof(error));
		assert_int_equal(r, cut < header ? -1 : 0);
		if (r == 0) {
			bool at_line_end = kept.p[cut - 1] == '\n';
			assert_int_equal(t.warning == NULL, at_line_end);
			assert_int_equal(t.nexchanges, lines_of(kept, "exchange"));
			assert_int_equal(t.nparts, lines_of(kept, "part"));
			assert_int_equal(t.has_footer, lines_of(kept, "footer"));
			if (at_line_end)
				check_bodies(&t);
			else
				assert_non_null(strstr(t.warning, "ends inside this line"));
		} else {
			assert_non_null(strstr(error, other));
		}
		trace_release(&t);
	}
	buf_release(&whole);
}

/* A good trace of one exchange, the given line behind it, and a good line after that. */
static void test_damaged_lines(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		const char *warning; /* NULL: the line is fine, or of a kind that is skipped */
	} cases[] = {
		{"{\"type\":\"later\",\"x\":[1,2]}", NULL},
		{"{\"type\":\"process\",\"pid\":1,\"later\":{}}", NULL},
		{"garbage", "not a JSON object"},
		{"[1]", "not a JSON object"},
		{"{\"type\":\"process\"} {}", "not a JSON object"},
		{"{\"type\":\"process\"", "not a JSON object"},
		{"", "not a JSON object"},
		{"{\"pid\":1}", "without type"},
		{"{\"type\":\"process\",\"pid\":\"one\"}", "pid"},
		{"{\"type\":\"process\",\"pid\":1.5}", "pid"},
		{"{\"type\":\"header\",\"version\":1}", "second header"},
		{"{\"type\":\"part\",\"id\":7777,\"kind\":\"tool\"}", "out of its order"},
		{"{\"type\":\"exchange\"}", "without id"},
		{"{\"type\":\"exchange\",\"id\":1,\"request\":{},\"response\":{}}", "there before"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{},\"response\":{}}", NULL},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{}},\"response\":{}}", "without segments"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"base\":99,\"segments\":[]}},\"response\":{}"
		 "}",
		 "base"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"base\":1,\"segments\":[[0,9999]]}},"
		 "\"response\":{}}",
		 "segment"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"segments\":[[0,1]]}},\"response\":{}}",
		 "segment"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"base\":1,\"segments\":[[0,0]]}},"
		 "\"response\":{}}",
		 "segment"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"segments\":[4096]}},\"response\":{}}",
		 "segment"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"body\":{\"segments\":[{\"base64\":\"a\"}]}},"
		 "\"response\":{}}",
		 "segment"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"sha256\":\"12\"},\"response\":{}}", "sha256"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{},\"response\":{\"usage\":[]}}", "usage"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{},\"response\":{\"arrivals\":[[1]]}}", "arrivals"},
		{"{\"type\":\"exchange\",\"id\":2,\"request\":{\"headers\":[1]},\"response\":{}}", "headers"},
	};
	struct conversation c = {.text_size = 60};
	struct trace_writer *w = open_writer(path);
	struct buf text;

	write_turns(w, &c, 0, 1);
	assert_int_equal(close_writer(w), 0);
	buf_init(&text, 1 << 20);
	slurp(path, &text);
	size_t good = text.n, good_lines = lines_of(buf_str(&text), "part") + 3;
	assert_int_equal(lines_of(buf_str(&text), "loss"), 0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct trace t;
		char line[40];
		text.n = good;
		buf_printf(&text, "%s\n{\"type\":\"process\",\"pid\":42}\n", cases[i].line);
		spill(other, buf_str(&text));
		if (trace_read(other, &t, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		bool after = t.nprocesses > 0 && t.processes[t.nprocesses - 1].pid == 42;
		if (!cases[i].warning) {
			assert_null(t.warning);
			assert_true(after);
		} else {
			snprintf(line, sizeof(line), "line %zu: ", good_lines + 1);
			if (!t.warning || !strstr(t.warning, cases[i].warning) || !strstr(t.warning, line))
				fail_msg("%s: %s", cases[i].line, t.warning ? t.warning : "no warning");
			assert_false(after);
			assert_int_equal(t.nexchanges, 1);
			assert_true(t.has_footer);
		}
		trace_release(&t);
	}
	buf_release(&text);
}

static void test_refused_files(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
		{"", "no header"},
		{"\n", "line 1: not a JSON object"},
		{"{\"type\":\"part\",\"id\":0}\n", "line 1: not a trace"},
		{"{\"type\":\"header\"}\n", "line 1: no version"},
		{"{\"type\":\"header\",\"version\":0}\n", "line 1: no version"},
		{"{\"type\":\"header\",\"version\":2}\n", "line 1: trace version 2"},
		{"{\"type\":\"header\",\"version\":1", "no header"},
	};
	struct trace t;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		spill(other, str_from(cases[i].text));
		assert_int_equal(trace_read(other, &t, error, sizeof(error)), -1);
		if (!strstr(error, cases[i].error) || !strstr(error, other))
			fail_msg("%s: %s", cases[i].text, error);
		trace_release(&t);
	}
	assert_int_equal(trace_read("/nowhere/at/all", &t, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/nowhere/at/all: "));
	trace_release(&t);
}

static void test_changed_text_is_noticed(void **state)
{
	(void)state;
	struct conversation c = {.text_size = 60};
	struct trace_writer *w = open_writer(path);
	struct buf text, body;
	struct trace t;

	write_turns(w, &c, 0, 1);
	assert_int_equal(close_writer(w), 0);
	buf_init(&text, 1 << 20);
	buf_init(&body, 1 << 20);
	slurp(path, &text);
	strstr(text.p, "system 0")[0] = 'S';
	strstr(text.p, "answer")[0] = 'A';
	spill(other, buf_str(&text));
	assert_int_equal(trace_read(other, &t, error, sizeof(error)), 0);
	assert_int_equal(trace_request_body(&t, 0, &body, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "SHA-256"));
	assert_int_equal(trace_response_body(&t, 0, &body, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "SHA-256"));
	assert_int_equal(body.n, 0);
	trace_release(&t);
	buf_release(&text);
	buf_release(&body);
}

/* A trace is read while it is written. */
static void test_follow(void **state)
{
	(void)state;
	struct conversation c = {.text_size = 60};
	struct trace_writer *w = open_writer(path);
	struct trace t;

	assert_int_equal(trace_open(path, &t, error, sizeof(error)), 0);
	assert_string_equal(t.cwd, "/");
	assert_int_equal(trace_read_more(&t, error, sizeof(error)), 0);
	for (unsigned i = 0; i < 5; i++) {
		write_turns(w, &c, i, i + 1);
		assert_true(trace_read_more(&t, error, sizeof(error)) > 0);
		assert_int_equal(t.nexchanges, i + 1);
		check_bodies(&t);
		assert_int_equal(trace_read_more(&t, error, sizeof(error)), 0);
	}
	/* Half a line is none yet. */
	int fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"type\":\"process\",", 18), 18);
	assert_int_equal(trace_read_more(&t, error, sizeof(error)), 0);
	assert_int_equal(write(fd, "\"pid\":5}\n", 9), 9);
	assert_int_equal(trace_read_more(&t, error, sizeof(error)), 1);
	assert_int_equal(t.processes[0].pid, 5);
	assert_null(t.warning);
	close(fd);
	trace_release(&t);
	assert_int_equal(close_writer(w), 0);
}

/* The path of the file that close says the rest is in. */
static void rest_path(char *out, size_t n)
{
	const char *from = strstr(error, " is in ");
	assert_non_null(from);
	snprintf(out, n, "%s", from + 7);
	char *comma = strchr(out, ',');
	assert_non_null(comma);
	*comma = '\0';
}

static void remove_rest(char *rest)
{
	assert_int_equal(unlink(rest), 0);
	*strrchr(rest, '/') = '\0';
	assert_int_equal(rmdir(rest), 0);
}

static void test_full_disk(void **state)
{
	(void)state;
	struct conversation c = {.text_size = 100};
	char rest[256];
	struct trace t;
	struct stat st;

	assert_int_equal(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	struct trace_writer *w = open_writer("/dev/full");
	write_turns(w, &c, 0, 10);
	assert_int_equal(close_writer(w), -1);
	assert_non_null(strstr(error, "No space left"));
	rest_path(rest, sizeof(rest));
	assert_int_equal(stat(rest, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Not a byte got out, so the rest is the whole. */
	assert_int_equal(trace_read(rest, &t, error, sizeof(error)), 0);
	assert_null(t.warning);
	assert_int_equal(t.nexchanges, 10);
	assert_true(t.has_footer);
	check_bodies(&t);
	trace_release(&t);
	remove_rest(rest);
	unsetenv("XDG_RUNTIME_DIR");
}

static void set_size_limit(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full for a while (here: a size limit). The file has whole lines all the time, and none is missing later.
 */
static void test_space_comes_back(void **state)
{
	(void)state;
	struct conversation c = {.text_size = 100};
	struct trace_writer *w = open_writer(path);
	struct trace t;
	struct stat st;

	for (unsigned i = 0; i < 30; i++) {
		/* SIGXFSZ has its deadly default here, as in the program. */
		set_size_limit(i >= 5 && i < 25 ? 30000 + i * 100 : RLIM_INFINITY);
		write_turns(w, &c, i, i + 1);
		set_size_limit(RLIM_INFINITY);
		assert_int_equal(trace_read(path, &t, error, sizeof(error)), 0);
		assert_null(t.warning);
		trace_release(&t);
		assert_int_equal(stat(path, &st), 0);
		assert_true(i < 5 || i >= 25 || st.st_size <= 30000 + i * 100);
	}
	assert_int_equal(close_writer(w), 0);
	assert_int_equal(trace_read(path, &t, error, sizeof(error)), 0);
	assert_int_equal(t.nexchanges, 30);
	assert_int_equal(t.lines_lost, 0);
	check_bodies(&t);
	trace_release(&t);
}

/* Nowhere to put the rest either: it is lost, and that is said. */
static void test_no_space_anywhere(void **state)
{
	(void)state;
	struct conversation c = {.text_size = 100};
	struct trace_writer *w = open_writer(path);
	struct trace t;

	set_size_limit(20000);
	write_turns(w, &c, 0, 40);
	assert_int_equal(close_writer(w), -1);
	set_size_limit(RLIM_INFINITY);
	assert_non_null(strstr(error, "lines are lost"));
	assert_int_equal(trace_read(path, &t, error, sizeof(error)), 0);
	assert_null(t.warning);
	assert_in_range(t.nexchanges, 1, 39);
	check_bodies(&t);
	trace_release(&t);
}

/* More waits than may: exchanges are given up whole, and later ones do not lean on what was given up. */
static void test_too_much_waits(void **state)
{
	(void)state;
	struct conversation big = {.session = "big", .messages = 1, .text_size = 20u << 20};
	struct conversation small = {.session = "small", .text_size = 100};
	char rest[256];
	struct trace t;

	assert_int_equal(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	struct trace_writer *w = open_writer("/dev/full");
	for (unsigned i = 0; i < 5; i++) {
		big.seed = i;
		write_next(w, &big, 100 + i);
	}
	write_turns(w, &small, 0, 3);
	/* Its parts were given up the first time, so they are written now, or given up again. */
	big.text_size = 200;
	write_next(w, &big, 200);
	big.text_size = 20u << 20;
	write_next(w, &big, 201);
	assert_int_equal(close_writer(w), -1);
	assert_non_null(strstr(error, "were given up"));
	char *semicolon = strchr(error, ';');
	assert_non_null(semicolon);
	rest_path(rest, sizeof(rest));
	assert_int_equal(trace_read(rest, &t, error, sizeof(error)), 0);
	assert_null(t.warning);
	assert_true(t.lines_lost > 0);
	assert_int_equal(t.nexchanges, 3 + 3 + 1);
	check_bodies(&t);
	trace_release(&t);
	remove_rest(rest);
	unsetenv("XDG_RUNTIME_DIR");
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/trace.jsonl", folder);
	snprintf(other, sizeof(other), "%s/other.jsonl", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_anywhere),     cmocka_unit_test(test_damaged_lines),
		cmocka_unit_test(test_refused_files),    cmocka_unit_test(test_changed_text_is_noticed),
		cmocka_unit_test(test_follow),           cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_space_comes_back), cmocka_unit_test(test_no_space_anywhere),
		cmocka_unit_test(test_too_much_waits),
	};
	return cmocka_run_group_tests_name("trace_faults", tests, make_folder, remove_folder) != 0;
}
