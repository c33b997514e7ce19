/* SPDX-License-Identifier: MIT */
/* The ring between a writer of the shim and the reader of the collector, with writers that die at every step. */
#include "ring_fixture.h"

static struct ring_loss loss_of(struct fixture *f)
{
	struct ring_loss loss;
	ring_reader_loss(f->reader, &loss);
	return loss;
}

static void records_of_all_sizes_come_through_many_laps(void **state)
{
	struct fixture *f = *state;
	uint64_t written = 0, read = 0;
	for (uint32_t n = 0; n < 12000; n += 1 + n / 40) {
		assert_int_equal(write_record(&f->ring, ++written, n), 0);
		assert_int_equal(write_record(&f->ring, ++written, n % 200), 0);
		assert_int_equal(read_tag(f), ++read);
		assert_int_equal(read_tag(f), ++read);
	}
	assert_int_equal(read_tag(f), 0);
	assert_true(atomic_load(&f->ring.header->head) > 8 * f->ring.slots);
	assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
}

static void full_ring_refuses_and_recovers(void **state)
{
	struct fixture *f = *state;
	uint64_t written = 0;
	while (write_record(&f->ring, written + 1, 64 * 9) == 0)
		written++;
	assert_int_equal(written, KVS_RING_SLOTS_MIN / 10);
	assert_int_equal(write_record(&f->ring, 1, 64 * 9), KVS_RING_FULL);
	/* Exactly what is left fits. */
	uint32_t left = (uint32_t)(KVS_RING_SLOTS_MIN - 10 * written);
	assert_int_equal(write_record(&f->ring, written + 1, 64 * (left - 1)), 0);
	assert_int_equal(write_record(&f->ring, 1, 0), KVS_RING_FULL);
	assert_int_equal(read_tag(f), 1);
	assert_int_equal(write_record(&f->ring, written + 2, 0), 0);
	for (uint64_t tag = 2; tag <= written + 2; tag++)
		assert_int_equal(read_tag(f), tag);
	assert_int_equal(read_tag(f), 0);
}

static int die_at;

static void die(int step)
{
	if (step == die_at)
		kill(getpid(), SIGKILL);
}

/* A child that is killed at each step it can be killed at: the ring goes on, and loses that one record at most. */
static void writer_killed_at_every_step(void **state)
{
	struct fixture *f = *state;
	uint64_t tag = 0;
	for (int lap = 0; lap < 40; lap++) {
		for (die_at = 1; die_at <= 7; die_at++) {
			uint32_t n = 64u * (uint32_t)(lap * 7 + die_at);
			uint64_t before = ++tag, victim = ++tag, after = ++tag;
			assert_int_equal(write_record(&f->ring, before, 100), 0);
			pid_t child = fork();
			if (child == 0) {
				ring_step = die;
				write_record(&f->ring, victim, n);
				_exit(0);
			}
			int status;
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			assert_int_equal(write_record(&f->ring, after, 100), 0);
			assert_int_equal(read_tag(f), before);
			uint64_t next = read_tag(f);
			/* Steps 1 and 2 stand before the reservation, 7 after the commit. */
			if (die_at == 7) {
				assert_int_equal(next, victim);
				next = read_tag(f);
			}
			assert_int_equal(next, after);
			assert_int_equal(read_tag(f), 0);
			assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
		}
	}
	assert_int_equal(loss_of(f).voided, 40 * 4);
}

/* As above, but the reader comes first and finds a record that the head has not passed. */
static void reader_comes_before_the_next_writer(void **state)
{
	struct fixture *f = *state;
	for (die_at = 1; die_at <= 7; die_at++) {
		pid_t child = fork();
		if (child == 0) {
			ring_step = die;
			write_record(&f->ring, 5, 200);
			_exit(0);
		}
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_int_equal(read_tag(f), die_at == 7 ? 5 : 0);
		assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
		assert_int_equal(write_record(&f->ring, 6, 200), 0);
		assert_int_equal(read_tag(f), 6);
		assert_int_equal(read_tag(f), 0);
	}
}

static _Atomic pid_t opener;

/* pthread_join returns a moment before the kernel has buried the thread. */
static void join(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	while (kill(atomic_load(&opener), 0) == 0)
		sched_yield();
}

static void *open_and_end(void *argument)
{
	struct fixture *f = argument;
	atomic_store(&opener, (pid_t)own_tid());
	struct ring_reservation at = {0};
	assert_int_equal(ring_reserve(&f->ring, 3, own_tid(), &at), 0);
	return NULL;
}

static void thread_that_ends_with_an_open_record(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	share_mapping(f);
	assert_int_equal(pthread_create(&thread, NULL, open_and_end, f), 0);
	join(thread);
	assert_int_equal(write_record(&f->ring, 5, 10), 0);
	assert_int_equal(read_tag(f), 5);
	assert_int_equal(loss_of(f).voided, 1);
}

/* The owner is a zombie: dead, though its number is still taken. */
static void zombie_with_an_open_record(void **state)
{
	struct fixture *f = *state;
	pid_t child = fork();
	if (child == 0) {
		struct ring_reservation at = {0};
		ring_reserve(&f->ring, 3, own_tid(), &at);
		_exit(0);
	}
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(write_record(&f->ring, 5, 10), 0);
	assert_int_equal(read_tag(f), 5);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/*
 * A living writer that does not finish (stopped, or jumped away): the reader goes on without it, keeps its space, and
 * hands the record out late when it is finished after all.
 */
static void open_record_is_passed_and_comes_late(void **state)
{
	struct fixture *f = *state;
	struct ring_reservation at = {0};
	struct kvs_record r = {.payload_bytes = 0, .type = KVS_REC_SEND, .conn = 77};
	assert_int_equal(ring_reserve(&f->ring, 1, own_tid(), &at), 0);
	assert_int_equal(write_record(&f->ring, 1, 500), 0);
	assert_int_equal(read_tag(f), 0);
	ring_reader_settle(f->reader);
	assert_int_equal(read_tag(f), 1);
	assert_int_equal(atomic_load(&f->ring.header->tail), 0);
	/* Its space is not given out, so a ring's worth of records does not fit any more. */
	for (uint64_t tag = 2; write_record(&f->ring, tag, 64 * 99) == 0; tag++)
		assert_int_equal(read_tag(f), tag);
	assert_int_equal(atomic_load(&f->ring.header->tail), 0);
	ring_copy(&f->ring, &at, 0, &r, sizeof(r));
	assert_int_equal(ring_commit(&at), 0);
	assert_int_equal(read_tag(f), 77);
	assert_int_equal(read_tag(f), 0);
	assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
	assert_int_equal(write_record(&f->ring, 9, 64 * 99), 0);
	assert_int_equal(read_tag(f), 9);
}

static pthread_barrier_t opened, ended;

static void *open_and_wait(void *argument)
{
	struct fixture *f = argument;
	struct ring_reservation at = {0};
	atomic_store(&opener, (pid_t)own_tid());
	assert_int_equal(ring_reserve(&f->ring, 3, own_tid(), &at), 0);
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&ended);
	return NULL;
}

/* Its owner still lived when it was passed. Once he is gone the space comes back. */
static void passed_record_of_a_thread_that_ends_later(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	share_mapping(f);
	pthread_barrier_init(&opened, NULL, 2);
	pthread_barrier_init(&ended, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, open_and_wait, f), 0);
	pthread_barrier_wait(&opened);
	assert_int_equal(write_record(&f->ring, 1, 10), 0);
	ring_reader_settle(f->reader);
	assert_int_equal(read_tag(f), 1);
	assert_int_equal(atomic_load(&f->ring.header->tail), 0);
	pthread_barrier_wait(&ended);
	join(thread);
	assert_int_equal(read_tag(f), 0);
	assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
	assert_int_equal(loss_of(f).voided, 1);
}

static void voided_record_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct ring_reservation at = {0}, copy;
	assert_int_equal(ring_reserve(&f->ring, 2, own_tid(), &at), 0);
	copy = at;
	assert_int_equal(write_record(&f->ring, 1, 5), 0);
	ring_void(&f->ring, &at);
	assert_null(at.word);
	/* Whoever still believes to hold it cannot commit it. */
	assert_int_equal(ring_commit(&copy), -1);
	assert_int_equal(read_tag(f), 1);
	assert_int_equal(loss_of(f).voided, 1);
	/* Voiding twice, or what was never reserved, changes nothing. */
	ring_void(&f->ring, &at);
	assert_int_equal(loss_of(f).voided, 1);
}

static pthread_barrier_t asleep, awake;

static _Thread_local bool sleeps;

static void sleep_once(int step)
{
	if (step != 2 || !sleeps)
		return;
	sleeps = false;
	pthread_barrier_wait(&asleep);
	pthread_barrier_wait(&awake);
}

static void *sleep_through_a_lap(void *argument)
{
	struct fixture *f = argument;
	sleeps = true;
	assert_int_equal(write_record(&f->ring, 4242, 300), 0);
	return NULL;
}

/*
 * A writer has chosen its place and is put to sleep before it takes it. The others go round the whole ring, so that the
 * very same slot is free again. It must not take it for the place it had chosen.
 */
static void writer_that_slept_through_laps(void **state)
{
	struct fixture *f = *state;
	share_mapping(f);
	for (uint64_t laps = 1; laps <= 2; laps++) {
		pthread_t thread;
		uint64_t start = atomic_load(&f->ring.header->head);
		pthread_barrier_init(&asleep, NULL, 2);
		pthread_barrier_init(&awake, NULL, 2);
		ring_step = sleep_once;
		assert_int_equal(pthread_create(&thread, NULL, sleep_through_a_lap, f), 0);
		pthread_barrier_wait(&asleep);
		for (uint64_t i = 0; i < laps * KVS_RING_SLOTS_MIN / 4; i++) {
			assert_int_equal(write_record(&f->ring, 1 + i, 3 * 64), 0);
			assert_int_equal(read_tag(f), 1 + i);
		}
		assert_int_equal(atomic_load(&f->ring.header->head), start + laps * KVS_RING_SLOTS_MIN);
		pthread_barrier_wait(&awake);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(read_tag(f), 4242);
		assert_int_equal(read_tag(f), 0);
		assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
	}
}

#define WRITERS 4
#define PER_WRITER 3000

static struct {
	struct fixture *f;
	_Atomic int running;
} storm;

static void *write_many(void *argument)
{
	uint64_t writer = (uint64_t)(uintptr_t)argument;
	for (uint64_t i = 0; i < PER_WRITER; i++) {
		while (write_record(&storm.f->ring, writer << 32 | (i + 1), (uint32_t)(i * 37 % 3000)) == KVS_RING_FULL)
			sched_yield();
	}
	atomic_fetch_sub(&storm.running, 1);
	return NULL;
}

static void many_writers_lose_nothing_and_keep_their_order(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[WRITERS];
	uint64_t seen[WRITERS] = {0}, tag;
	share_mapping(f);
	storm.f = f;
	atomic_store(&storm.running, WRITERS);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
	for (bool last = false;;) {
		while ((tag = read_tag(f)) != 0) {
			assert_true(tag >> 32 < WRITERS);
			assert_int_equal(tag & 0xffffffff, ++seen[tag >> 32]);
		}
		if (last)
			break;
		last = atomic_load(&storm.running) == 0;
		sched_yield();
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(seen[i], PER_WRITER);
	}
	assert_int_equal(loss_of(f).voided, 0);
}

static void held_records_are_read_again_by_the_next_reader(void **state)
{
	struct fixture *f = *state;
	char error[256];
	for (uint64_t tag = 1; tag <= 3; tag++)
		assert_int_equal(write_record(&f->ring, tag, 100), 0);
	assert_int_equal(read_tag(f), 1);
	ring_reader_hold(f->reader, true);
	assert_int_equal(read_tag(f), 2);
	assert_int_equal(read_tag(f), 3);
	assert_int_equal(read_tag(f), 0);
	/* As if it had been killed. */
	ring_reader_close(f->reader);
	assert_int_equal(ring_reader_open(f->path, &f->reader, error, sizeof(error)), 0);
	assert_int_equal(read_tag(f), 2);
	ring_reader_hold(f->reader, true);
	assert_int_equal(read_tag(f), 3);
	/* Holding leaves the writers three quarters of the ring, for as many laps as they like. */
	uint64_t read = 3, written = 3;
	for (uint64_t slots = 0; slots < 5 * f->ring.slots; slots += kvs_record_slots(1000)) {
		assert_int_equal(write_record(&f->ring, ++written, 1000), 0);
		assert_int_equal(read_tag(f), ++read);
		assert_true(atomic_load(&f->ring.header->head) - atomic_load(&f->ring.header->tail) <=
			    f->ring.slots / 4);
	}
	ring_reader_hold(f->reader, false);
	assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
}

static void garbage_is_reported_and_not_followed(void **state)
{
	struct fixture *f = *state;
	const struct kvs_record *r;
	struct str payload;
	uint64_t lengths[] = {0, kvs_record_slots(KVS_RECORD_PAYLOAD_MAX) + 1, 0xffff};
	for (size_t i = 0; i < 3; i++) {
		char error[256];
		atomic_store(&f->ring.meta[0], kvs_meta_word(lengths[i], 1, KVS_META_DONE, 0));
		assert_int_equal(ring_reader_next(f->reader, &r, &payload), -1);
		assert_int_equal(ring_reader_next(f->reader, &r, &payload), -1);
		ring_reader_close(f->reader);
		assert_int_equal(ring_reader_open(f->path, &f->reader, error, sizeof(error)), 0);
	}
	/* A record whose header does not fit its length is passed over; the next one is sound. */
	atomic_store(&f->ring.meta[0], 0);
	struct ring_reservation at = {0};
	struct kvs_record liar = {.payload_bytes = 60000, .type = KVS_REC_SEND};
	assert_int_equal(ring_reserve(&f->ring, 2, own_tid(), &at), 0);
	ring_copy(&f->ring, &at, 0, &liar, sizeof(liar));
	assert_int_equal(ring_commit(&at), 0);
	assert_int_equal(write_record(&f->ring, 3, 30), 0);
	assert_int_equal(read_tag(f), 3);
	assert_int_equal(loss_of(f).voided, 1);
	/* A writer, too, gives up on a ring that holds nonsense instead of spinning in it. */
	atomic_store(&f->ring.meta[atomic_load(&f->ring.header->head) & (f->ring.slots - 1)], ~UINT64_C(0));
	assert_int_equal(write_record(&f->ring, 4, 30), KVS_RING_BROKEN);
}

static void files_that_are_no_ring_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ring ring;
	struct ring_reader *second;
	char error[256] = "";
	/* One reader at a time. */
	assert_int_equal(ring_reader_open(f->path, &second, error, sizeof(error)), -1);
	assert_non_null(strstr(error, f->path));
	ring_reader_close(f->reader);
	f->reader = NULL;
	struct kvs_ring_header good = {0};
	memcpy(&good, f->base, offsetof(struct kvs_ring_header, reserved0));
	const struct {
		size_t offset;
		size_t bytes;
	} fields[] = {
		{offsetof(struct kvs_ring_header, magic), 8},       {offsetof(struct kvs_ring_header, version), 4},
		{offsetof(struct kvs_ring_header, slots), 4},       {offsetof(struct kvs_ring_header, file_bytes), 8},
		{offsetof(struct kvs_ring_header, meta_offset), 8}, {offsetof(struct kvs_ring_header, data_offset), 8},
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint8_t *field = (uint8_t *)f->base + fields[i].offset;
		field[1] ^= 0x40;
		assert_int_equal(ring_attach(&ring, f->base, f->bytes), -1);
		assert_int_equal(ring_reader_open(f->path, &second, error, sizeof(error)), -1);
		field[1] ^= 0x40;
	}
	assert_int_equal(ring_attach(&ring, f->base, f->bytes), 0);
	assert_int_equal(ring_attach(&ring, f->base, f->bytes - 1), -1);
	assert_int_equal(ring_attach(&ring, f->base, 10), -1);
	assert_int_equal(chmod(f->path, 0644), 0);
	assert_int_equal(ring_reader_open(f->path, &second, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "other users"));
	assert_int_equal(chmod(f->path, 0600), 0);
	assert_int_equal(ring_reader_open(f->path, &f->reader, error, sizeof(error)), 0);
}

static void file_is_private_and_whole(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Allocated, not only promised. */
	assert_true((uint64_t)st.st_blocks * 512 >= f->ring.header->file_bytes);
	char folder[512];
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(f->path, '/') - f->path), f->path);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(records_of_all_sizes_come_through_many_laps),
		TEST(full_ring_refuses_and_recovers),
		TEST(writer_killed_at_every_step),
		TEST(reader_comes_before_the_next_writer),
		TEST(thread_that_ends_with_an_open_record),
		TEST(zombie_with_an_open_record),
		TEST(open_record_is_passed_and_comes_late),
		TEST(passed_record_of_a_thread_that_ends_later),
		TEST(voided_record_is_skipped),
		TEST(writer_that_slept_through_laps),
		TEST(many_writers_lose_nothing_and_keep_their_order),
		TEST(held_records_are_read_again_by_the_next_reader),
		TEST(garbage_is_reported_and_not_followed),
		TEST(files_that_are_no_ring_are_refused),
		TEST(file_is_private_and_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
