/* SPDX-License-Identifier: MIT */
/*
 * Writers that are killed at every machine instruction of a record (single-stepped), and at random under load. The
 * reader goes on, never gets a torn record, and misses at most the one that the dying writer had open.
 */
#include "ring_fixture.h"

#include <sys/ptrace.h>

/* A record of 1000 bytes takes far fewer. */
#define INSTRUCTIONS_MAX 20000

static void wait_stopped(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
}

/*
 * A child writes a record and is killed after `steps` instructions of it. Returns false when it got to its end.
 * The record's payload is known beforehand, so that nothing but the writing is stepped through.
 */
static bool killed_after(struct fixture *f, uint64_t tag, uint32_t n, int steps)
{
	struct kvs_record r = {.payload_bytes = n, .type = KVS_REC_SEND, .conn = tag, .wire_bytes = n};
	uint8_t payload[1024];
	assert_true(n <= sizeof(payload));
	for (uint32_t i = 0; i < n; i++)
		payload[i] = pattern(tag, i);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct ring_reservation at = {0};
		uint64_t tid = own_tid();
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		if (ring_reserve(&f->ring, kvs_record_slots(n), tid, &at) == 0) {
			ring_copy(&f->ring, &at, 0, &r, sizeof(r));
			ring_copy(&f->ring, &at, sizeof(r), payload, n);
			ring_commit(&at);
		}
		syscall(SYS_exit_group, 0);
	}
	wait_stopped(child);
	int status = 0;
	for (int i = 0; i < steps; i++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status))
			return false;
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	return true;
}

static void killed_at_every_instruction(void **state)
{
	struct fixture *f = *state;
	uint64_t tag = 0;
	int lost = 0, kept = 0, steps = 1;
	for (; steps < INSTRUCTIONS_MAX; steps++) {
		/* Records of all lengths, so that many end at the ring's end and are cut there. */
		uint32_t n = (uint32_t)(steps * 61 % 1000);
		uint64_t before = ++tag, victim = ++tag, after = ++tag;
		/* In turn: the next writer comes first, or the reader does. */
		bool writer_first = steps % 2 == 0;
		assert_int_equal(write_record(&f->ring, before, 100), 0);
		bool killed = killed_after(f, victim, n, steps);
		if (writer_first)
			assert_int_equal(write_record(&f->ring, after, 100), 0);
		assert_int_equal(read_tag(f), before);
		uint64_t next = read_tag(f);
		if (next == victim) {
			kept++;
			next = read_tag(f);
		} else {
			lost++;
		}
		if (!writer_first) {
			assert_int_equal(next, 0);
			assert_int_equal(write_record(&f->ring, after, 100), 0);
			next = read_tag(f);
		}
		assert_int_equal(next, after);
		assert_int_equal(read_tag(f), 0);
		assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
		if (!killed)
			break;
	}
	print_message("# killed at %d instructions: the record was lost at %d, there at %d\n", steps - 1, lost, kept);
	assert_true(steps < INSTRUCTIONS_MAX && lost > 50 && kept > 0);
}

enum { CROWD = 3, KILLS = 90, RECORDS_MAX = 1000000 };

/* Writes its records without pause until it is killed; a full ring makes it wait, so that none is missing but for that.
 */
static void write_for_ever(const struct fixture *f, uint64_t writer)
{
	for (uint64_t i = 1; i < RECORDS_MAX; i++)
		while (write_record(&f->ring, writer << 32 | i, (uint32_t)(i * 37 % 1500)) == KVS_RING_FULL)
			sched_yield();
	_exit(0);
}

static struct crowd {
	_Atomic pid_t pids[CROWD]; /* 0: not there */
	_Atomic bool over;
} * crowd;

static void start_writer(const struct fixture *f, int place, uint64_t writer)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_for_ever(f, writer);
	atomic_store(&crowd->pids[place], child);
}

/* A process of its own, so that writers die while they write and are read. */
static pid_t start_killer(void)
{
	pid_t killer = fork();
	assert_true(killer >= 0);
	if (killer != 0)
		return killer;
	unsigned random = 1;
	for (int kills = 0; kills < KILLS;) {
		random = random * 1664525u + 1013904223u;
		usleep(100 + (random >> 21));
		pid_t victim = atomic_load(&crowd->pids[(random >> 8) % CROWD]);
		kills += victim > 0 && kill(victim, SIGKILL) == 0;
	}
	atomic_store(&crowd->over, true);
	_exit(0);
}

/* A number is given up before it is free to be another process's. */
static bool bury(int place)
{
	pid_t child = atomic_load(&crowd->pids[place]);
	siginfo_t info = {.si_pid = 0};
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	if (info.si_pid == 0)
		return false;
	atomic_store(&crowd->pids[place], 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return true;
}

/* Of every process that is killed all records are read, in their order, but for one that it had open. */
static void killed_at_random_under_load(void **state)
{
	struct fixture *f = *state;
	uint64_t *read_of = calloc(CROWD + KILLS + 1, sizeof(*read_of));
	uint64_t writers = 0, tag, total = 0;

	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(crowd, MAP_FAILED);
	for (int i = 0; i < CROWD; i++)
		start_writer(f, i, writers++);
	pid_t killer = start_killer();
	while (!atomic_load(&crowd->over)) {
		for (int i = 0; i < CROWD; i++)
			if (bury(i))
				start_writer(f, i, writers++);
		for (int n = 0; n < 50 && (tag = read_tag(f)) != 0; n++, total++) {
			assert_true(tag >> 32 < writers);
			assert_int_equal(tag & 0xffffffff, ++read_of[tag >> 32]);
		}
	}
	assert_int_equal(waitpid(killer, NULL, 0), killer);
	for (int i = 0; i < CROWD; i++) {
		kill(atomic_load(&crowd->pids[i]), SIGKILL);
		assert_int_equal(waitpid(atomic_load(&crowd->pids[i]), NULL, 0), atomic_load(&crowd->pids[i]));
	}
	while ((tag = read_tag(f)) != 0) {
		total++;
		assert_int_equal(tag & 0xffffffff, ++read_of[tag >> 32]);
	}
	struct ring_loss loss;
	ring_reader_loss(f->reader, &loss);
	print_message("# %llu writers killed, %llu records read, %llu voided\n", (unsigned long long)writers,
		      (unsigned long long)total, (unsigned long long)loss.voided);
	/* One open record at most for each of the dead, and no gap before it. */
	assert_true(loss.voided <= writers);
	assert_int_equal(atomic_load(&f->ring.header->head), atomic_load(&f->ring.header->tail));
	assert_int_equal(write_record(&f->ring, 1, 100), 0);
	assert_int_equal(read_tag(f), 1);
	munmap(crowd, sizeof(*crowd));
	free(read_of);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed_at_every_instruction, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_random_under_load, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
