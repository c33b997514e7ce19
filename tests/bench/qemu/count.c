/* SPDX-License-Identifier: MIT */
/*
 * A plugin for qemu's emulation of user programs (-plugin FILE,out=PATH): writes how many instructions the program
 * executed itself, all of its threads together, to PATH when it ends. For machines that have no such counter, or hide it.
 *
 * The interface is qemu's plugin API, version 1 (docs/devel/tcg-plugins.rst there); Debian does not ship its header.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
typedef uint64_t qemu_plugin_id_t;
enum { FLAGS_NONE = 0 };

typedef void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed)(unsigned cpu, void *data);
typedef void (*ended)(qemu_plugin_id_t id, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated function);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed function, int flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, ended function, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

/* One counter per thread, as far as these go, so that they do not wait for each other's. */
#define CPUS 256
static struct {
	_Alignas(64) _Atomic uint64_t n;
} counts[CPUS];
static char path[4096];
static pid_t self;

static void block_executed(unsigned cpu, void *data)
{
	atomic_fetch_add_explicit(&counts[cpu % CPUS].n, (uintptr_t)data, memory_order_relaxed);
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	union {
		uintptr_t n;
		void *p;
	} data = {qemu_plugin_tb_n_insns(tb)};
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, FLAGS_NONE, data.p);
}

static void program_ended(qemu_plugin_id_t id, void *data)
{
	uint64_t sum = 0;
	FILE *f;
	(void)id;
	(void)data;
	/* A child made by fork counts on, but it is not the program that was asked about. */
	if (getpid() != self || !(f = fopen(path, "w")))
		return;
	for (int i = 0; i < CPUS; i++)
		sum += atomic_load(&counts[i].n);
	fprintf(f, "%llu\n", (unsigned long long)sum);
	fclose(f);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0]) >= sizeof(path))
		return -1;
	strcpy(path, argv[0] + 4);
	self = getpid();
	qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
	qemu_plugin_register_atexit_cb(id, program_ended, NULL);
	return 0;
}
