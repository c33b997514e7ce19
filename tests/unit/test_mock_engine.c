/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/clock.h"
#include "mock/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCK 4

static struct loop loop;
static struct engine engine;
static struct buf seen; /* "s1 p1": job 1 started, was prefilled */

static struct job {
	struct engine_job job;
	struct mock_tokens prompt;
} jobs[5];

static size_t number(struct engine_job *j)
{
	return (size_t)(LOOP_OWNER(j, struct job, job) - jobs);
}

static void started(struct engine_job *j)
{
	buf_printf(&seen, "s%zu ", number(j));
}

static void prefilled(struct engine_job *j)
{
	buf_printf(&seen, "p%zu ", number(j));
}

static void begin(double rate, unsigned slots)
{
	loop_init(&loop);
	buf_init(&seen, 4096);
	buf_puts(&seen, "");
	const struct mock_limits limits = {.policy = POLICY_BLOCKS, .block = BLOCK, .tokens = 100000};
	assert_int_equal(engine_init(&engine, &loop, rate, slots, &limits), 0);
	for (size_t i = 0; i < 5; i++)
		jobs[i] = (struct job){
			.job = {.use.prompt = &jobs[i].prompt, .started = started, .prefilled = prefilled}};
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		engine_cancel(&jobs[i].job);
		mock_tokens_release(&jobs[i].prompt);
	}
	engine_release(&engine);
	loop_release(&loop);
	buf_release(&seen);
	return 0;
}

/* n tokens, the same for every job. */
static void submit(size_t i, size_t n)
{
	while (jobs[i].prompt.n < n)
		mock_tokens_text(&jobs[i].prompt, STR("word"));
	assert_int_equal(engine_submit(&engine, &jobs[i].job), 0);
}

static struct loop_timer stopper;

static void stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(&loop);
}

static void run_for(uint64_t ns)
{
	stopper.fire = stop;
	assert_int_equal(loop_timer_set(&loop, &stopper, clock_monotonic_ns() + ns), 0);
	assert_int_equal(loop_run(&loop), 0);
}

static void test_first_come_first_served(void **state)
{
	(void)state;
	begin(0, 2);
	for (size_t i = 0; i < 4; i++)
		submit(i, 10);
	assert_string_equal(seen.p, "s0 s1 ");
	assert_int_equal(engine.waiting, 2);
	run_for(0);
	run_for(0);
	assert_string_equal(seen.p, "s0 s1 p0 p1 ");
	engine_cancel(&jobs[2].job); /* left while it waited */
	engine_finish(&jobs[0].job, &jobs[0].prompt);
	assert_string_equal(seen.p, "s0 s1 p0 p1 s3 ");
	assert_int_equal(engine.busy, 2);
	assert_int_equal(engine.waiting, 0);
}

/* What a job ahead in the queue has prefilled is a hit for the one behind: the lookup is made at the start. */
static void test_queue_then_lookup(void **state)
{
	(void)state;
	begin(0, 1);
	submit(0, 42);
	submit(1, 42);
	run_for(0);
	run_for(0);
	engine_finish(&jobs[0].job, &jobs[0].prompt);
	assert_int_equal(jobs[0].job.use.cached, 0);
	assert_int_equal(jobs[1].job.use.cached, 40);
	run_for(0);
	run_for(0);
	assert_int_equal(engine.prompt_tokens, 84);
	assert_int_equal(engine.cached_tokens, 40);
	assert_int_equal(engine.prefilled_tokens, 44);
}

static void test_output_is_cached(void **state)
{
	(void)state;
	begin(0, 1);
	submit(0, 10);
	run_for(0);
	run_for(0);
	submit(1, 31); /* the same words go on */
	engine_finish(&jobs[0].job, &jobs[1].prompt);
	assert_int_equal(jobs[1].job.use.cached, 28);
}

/* A client that leaves: the slot is free at once, what was computed until then stays. */
static void test_cancel_while_prefilling(void **state)
{
	(void)state;
	begin(10000, 1);
	submit(0, 200000);
	submit(1, 20);
	run_for(5 * NS_PER_MS);
	assert_string_equal(seen.p, "s0 ");
	engine_cancel(&jobs[0].job);
	assert_string_equal(seen.p, "s0 s1 ");
	assert_int_equal(jobs[0].job.state, JOB_IDLE);
	assert_true(engine.prefilled_tokens >= 50 && engine.prefilled_tokens < 200000);
	assert_int_equal(engine.store.cache.blocks, engine.prefilled_tokens / BLOCK);
	assert_int_equal(jobs[1].job.use.cached, 16);
	engine_cancel(&jobs[0].job); /* the second time nothing */
	assert_int_equal(engine.busy, 1);
}

static void test_prefill_takes_its_time(void **state)
{
	(void)state;
	begin(10000, 1);
	submit(0, 100);
	uint64_t start = jobs[0].job.use.start_ns;
	while (jobs[0].job.state != JOB_DECODING)
		run_for(NS_PER_MS);
	assert_true(clock_monotonic_ns() - start >= 10 * NS_PER_MS);
	assert_true(engine.prefill_seconds >= 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_first_come_first_served, teardown),
		cmocka_unit_test_teardown(test_queue_then_lookup, teardown),
		cmocka_unit_test_teardown(test_output_is_cached, teardown),
		cmocka_unit_test_teardown(test_cancel_while_prefilling, teardown),
		cmocka_unit_test_teardown(test_prefill_takes_its_time, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
