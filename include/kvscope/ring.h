/* SPDX-License-Identifier: MIT */
#ifndef KVSCOPE_RING_H
#define KVSCOPE_RING_H

/*
 * The ring: how bytes travel from the wrapped processes to the collector.
 *
 * One file on memory per run, made and fully allocated by `kvscope run`, mapped by the constructor of every process
 * that inherits the preload. Many writers (threads of many processes), one reader (the collector). Nobody ever waits:
 * a full ring drops and counts, the reader polls.
 *
 *   0                 4096             4096 + slots * 8            data_offset + slots * 64
 *   ┌─────────────────┬────────────────┬──────────────────────────┐
 *   │ kvs_ring_header │ meta[slots]    │ data[slots]              │
 *   │                 │ one 8-byte     │ 64 bytes each            │
 *   │                 │ word per slot  │                          │
 *   └─────────────────┴────────────────┴──────────────────────────┘
 *
 * A position counts slots since the ring was made and never wraps (64 bits); slot = position & (slots - 1),
 * lap = position / slots. A record takes whole slots: its kvs_record header, then its payload, cut at the end of the
 * data area and continued at slot 0.
 *
 * Records are allotted in the meta words and not in the data, so no payload can ever be mistaken for a record:
 *
 *    63       48 47      26 25  24 23                0
 *   ┌───────────┬──────────┬──────┬───────────────────┐
 *   │ length    │ owner    │state │ lap mod 2^24      │
 *   │ in slots  │ tid      │      │                   │
 *   └───────────┴──────────┴──────┴───────────────────┘
 *
 * A writer takes the record at head with one compare-and-swap of its first meta word from FREE (of this lap) to OPEN
 * with length and owner, then moves head on. A writer killed between the two leaves a word that tells everyone else
 * how far head has to move, so any other writer moves it (lock-free, as in the Michael-Scott queue). The lap in the
 * FREE word makes a writer that slept through a lap fail its compare-and-swap. OPEN becomes DONE (release) when the
 * record is complete, VOID when its writer is known never to finish it. The reader takes DONE (acquire) and VOID
 * records in order, moves head on if its writer died before it did, sets all their meta words to FREE of the next lap
 * and then moves tail on (release).
 *
 * docs/ring.md has the argument why the reader never wedges, never sees a torn record and loses at most the last record
 * of a writer that dies; tests/ checks a model of it exhaustively.
 */

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#define KVS_RING_MAGIC UINT64_C(0x31474e495253564b) /* "KVSRING1", little endian */
#define KVS_RING_VERSION 1u
#define KVS_RING_HEADER_BYTES 4096u
#define KVS_SLOT_BYTES 64u
#define KVS_RING_SLOTS_MIN 1024u
#define KVS_RING_SLOTS_MAX (1u << 24)
/* Longer payloads are split over several records, so that one big send cannot need the whole ring at once: this much,
 * or a quarter of the ring. */
#define KVS_RECORD_PAYLOAD_MAX 131072u

#define KVS_META_LAP_BITS 24
#define KVS_META_STATE_SHIFT 24
#define KVS_META_OWNER_SHIFT 26
#define KVS_META_OWNER_BITS 22 /* Linux: tids stay below 2^22 (PID_MAX_LIMIT) */
#define KVS_META_LENGTH_SHIFT 48

enum kvs_meta_state { KVS_META_FREE = 0, KVS_META_OPEN = 1, KVS_META_DONE = 2, KVS_META_VOID = 3 };

/* Why a record was not written. Counted in records; the bytes they stood for in dropped_bytes. */
enum kvs_drop {
	KVS_DROP_FULL,      /* the collector is behind, or gone */
	KVS_DROP_NESTED,    /* a signal handler talked while its thread was inside a hook */
	KVS_DROP_CONNS,     /* the process has no free connection entry left */
	KVS_DROP_IDENTITY,  /* the descriptor was no longer the recorded socket */
	KVS_DROP_INTERNAL,  /* anything else; the shim is a pass-through from then on */
	KVS_DROP_UNDECIDED, /* bytes came before the first ones sent were judged (by another thread) */
	KVS_DROP_REASONS
};

struct kvs_ring_header {
	/* Written once, before any process maps the ring. */
	uint64_t magic;
	uint32_t version;
	uint32_t slots; /* a power of two */
	uint64_t file_bytes;
	uint64_t meta_offset;
	uint64_t data_offset;
	uint8_t run_id[16];    /* random; names the run in the trace */
	uint64_t monotonic_ns; /* the same moment on two clocks */
	uint64_t realtime_ns;
	uint64_t pidns_inode; /* of the collector: tids of other namespaces mean nothing to it */
	uint8_t reserved0[48];

	/* Writers. */
	_Alignas(64) _Atomic uint64_t head; /* position of the next record */
	/* Reader. */
	_Alignas(64) _Atomic uint64_t tail; /* position of the oldest record not yet given back */
	/* Counters, relaxed. */
	_Alignas(64) _Atomic uint64_t dropped[8]; /* by enum kvs_drop */
	_Atomic uint64_t dropped_bytes;
	_Atomic uint64_t voided;        /* records given up by their writer or by the reader */
	_Atomic uint64_t processes;     /* constructors that mapped the ring */
	_Atomic uint64_t foreign_pidns; /* of these, in another pid namespace: their tids cannot be checked */
	_Atomic uint64_t passthrough;   /* processes that gave up recording */
	_Atomic uint32_t closed;        /* set by the collector: nobody reads any more, writers stop */
};

static_assert(KVS_DROP_REASONS <= 8, "dropped[] is full");
static_assert(sizeof(struct kvs_ring_header) <= KVS_RING_HEADER_BYTES, "the header is one page");
static_assert(sizeof(_Atomic uint64_t) == 8, "meta words are plain 64-bit words");

/* What a record says. Unknown types are skipped by readers. */
enum kvs_record_type {
	KVS_REC_PROCESS = 1, /* a process has mapped the ring; payload: struct kvs_process, then its exe path */
	KVS_REC_CONNECT,     /* a candidate: connect() began; payload: the sockaddr */
	KVS_REC_CLASS,    /* the first bytes decided; arg: enum kvs_class; payload for opaque: the TLS server name, for
			   * watched: the protocol (KVS_PROTOCOL_…), none for plain HTTP/1 */
	KVS_REC_SEND,     /* payload: bytes the host handed over, as many as were accepted */
	KVS_REC_RECV,     /* payload: bytes the host was given */
	KVS_REC_EOF,      /* recv returned 0: the peer is done sending */
	KVS_REC_ERROR,    /* arg: errno of a send or recv that ended the connection */
	KVS_REC_SHUTDOWN, /* arg: SHUT_RD, SHUT_WR, SHUT_RDWR */
	KVS_REC_CLOSE,    /* the last descriptor this process had of it is gone */
	KVS_REC_BLIND,    /* arg: enum kvs_blind; wire_bytes when known: something the hooks cannot see */
};

enum kvs_class {
	KVS_CLASS_CANDIDATE = 0,
	KVS_CLASS_RECORDED, /* payload is copied */
	KVS_CLASS_WATCHED,  /* HTTP, but no LLM API: sizes and times only */
	KVS_CLASS_OPAQUE,   /* TLS: sizes, times, server name */
	KVS_CLASS_DROPPED,  /* anything else: not followed */
};

enum kvs_blind {
	KVS_BLIND_IO_URING = 1,
	KVS_BLIND_SENDFILE, /* sendfile or splice: bytes counted, payload not seen */
	KVS_BLIND_PASSED,   /* the descriptor went to another process (SCM_RIGHTS) */
	KVS_BLIND_STDIO,    /* a stream was made of it (fdopen): what goes through that is not seen */
	KVS_BLIND_SANDBOX,  /* the process confined itself (seccomp): it records no more */
	KVS_BLIND_CHILD,    /* a child without the library; found by the collector */
};

#define KVS_PROTOCOL_HTTP2 "http2"
#define KVS_PROTOCOL_WEBSOCKET "websocket"

enum kvs_record_flag {
	KVS_REC_NO_PAYLOAD = 1, /* wire_bytes passed, none are here: watched, opaque or blind */
	KVS_REC_MORE = 2,       /* the same call continues in this thread's next record of this connection */
	KVS_REC_AFTER_FORK = 4, /* PROCESS: a child made by fork, not by exec */
	KVS_REC_RECEIVED = 8,   /* BLIND: the bytes came; else they were sent */
	/* CLASS: clear text inside of a TLS connection decided. RECORDED: what follows is that text, its offsets begin
	 * at 0; OPAQUE: it stays closed, payload: the protocol inside (KVS_PROTOCOL_…). */
	KVS_REC_INSIDE_TLS = 16,
	KVS_REC_SUM = 32, /* SEND, RECV without payload: of several calls, whose last was at time_ns (to some ms) */
};

/*
 * The head of every record: exactly one slot. Integers are in host order (the collector runs on the same machine).
 * offset counts the payload bytes of this connection and direction in this process, those not recorded included: a
 * reader sees from it when records were lost.
 */
struct kvs_record {
	uint32_t payload_bytes; /* that follow this header */
	uint8_t type;           /* enum kvs_record_type */
	uint8_t flags;          /* enum kvs_record_flag */
	uint16_t arg;           /* by type */
	int32_t pid;
	int32_t tid;
	int32_t fd;
	uint32_t reserved;
	uint64_t conn;       /* SO_COOKIE of the socket; 0 where the record is not about one */
	uint64_t offset;     /* of the first byte, in its direction */
	uint64_t wire_bytes; /* bytes that this record stands for */
	uint64_t time_ns;    /* CLOCK_MONOTONIC: before the call for sends, after it for receives */
	uint64_t end_ns;     /* sends: after the call; else, and of a sum, 0 */
};

static_assert(sizeof(struct kvs_record) == KVS_SLOT_BYTES, "a record header is one slot");

/* Payload of KVS_REC_PROCESS, followed by the path of the executable (no terminator). */
struct kvs_process {
	int32_t ppid;
	uint32_t uid;
	uint64_t pidns_inode;
};

static inline uint64_t kvs_meta_word(uint64_t length_slots, uint64_t owner_tid, uint64_t state, uint64_t lap)
{
	return length_slots << KVS_META_LENGTH_SHIFT |
	       (owner_tid & ((UINT64_C(1) << KVS_META_OWNER_BITS) - 1)) << KVS_META_OWNER_SHIFT |
	       state << KVS_META_STATE_SHIFT | (lap & ((UINT64_C(1) << KVS_META_LAP_BITS) - 1));
}

static inline uint64_t kvs_meta_length(uint64_t word)
{
	return word >> KVS_META_LENGTH_SHIFT;
}

static inline uint64_t kvs_meta_owner(uint64_t word)
{
	return word >> KVS_META_OWNER_SHIFT & ((UINT64_C(1) << KVS_META_OWNER_BITS) - 1);
}

static inline unsigned kvs_meta_state(uint64_t word)
{
	return (unsigned)(word >> KVS_META_STATE_SHIFT & 3);
}

static inline uint64_t kvs_meta_lap(uint64_t word)
{
	return word & ((UINT64_C(1) << KVS_META_LAP_BITS) - 1);
}

/* The longest payload of a record in a ring of so many slots. */
static inline uint64_t kvs_payload_max(uint64_t slots)
{
	uint64_t quarter = slots * KVS_SLOT_BYTES / 4;
	return quarter < KVS_RECORD_PAYLOAD_MAX ? quarter : KVS_RECORD_PAYLOAD_MAX;
}

/* Slots that a record with this payload takes. */
static inline uint64_t kvs_record_slots(uint64_t payload_bytes)
{
	return 1 + (payload_bytes + KVS_SLOT_BYTES - 1) / KVS_SLOT_BYTES;
}

#endif
