/* SPDX-License-Identifier: MIT */
/*
 * The hooks of tls.def. Their real functions are no part of libc: the library that has them may be opened late,
 * locally, more than once and in several versions, so which one is meant depends on who calls.
 */
#include "hooks.h"
#include "tls.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#define TLS(name, prototype, arguments, sent, p, count, failed) EXPORTED int hook_##name prototype __asm__(#name);
#include "tls.def"

/* Calls come from a handful of places; beyond so many the loader is asked each time. */
#define CALLERS_MAX 256
#define LIBRARIES_MAX 16

static struct {
	_Atomic uintptr_t key; /* its SSL_read; 0: free */
	_Atomic bool ready;
	struct tls_library library;
} libraries[LIBRARIES_MAX];

static struct {
	_Atomic uintptr_t address; /* 0: free */
	_Atomic uint32_t library;  /* its number + 1; 0: not yet known */
} callers[CALLERS_MAX];

/* What the code at an address would have found, were it not for us. */
struct scope {
	void *own;    /* the library that it is in, and what that depends on; NULL: it is in the program itself */
	void *object; /* the library that made the SSL object it calls with; NULL: cannot be said */
};

static void *look_up(const struct scope *scope, const char *name)
{
	static const char *const usual[] = {"libssl.so.3", "libssl.so.1.1"};
	void *found = scope->own ? dlsym(scope->own, name) : NULL;
	if (!found && scope->object)
		found = dlsym(scope->object, name);
	if (!found)
		found = dlsym(RTLD_NEXT, name);
	for (size_t i = 0; !found && i < sizeof(usual) / sizeof(*usual); i++) {
		void *library = dlopen(usual[i], RTLD_LAZY | RTLD_NOLOAD);
		found = library ? dlsym(library, name) : NULL;
		if (library)
			dlclose(library);
	}
	return found;
}

/* The program itself has no name, and a handle to it would lead to us first. */
static void *handle_of(void *address)
{
	Dl_info info;
	struct link_map *map = NULL;
	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || !map->l_name || !map->l_name[0])
		return NULL;
	return dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD);
}

static void close_handle(void *handle)
{
	if (handle)
		dlclose(handle);
}

/*
 * The library that made an SSL object. Code that depends on no OpenSSL library itself, but was loaded by something that
 * does, reaches that one's; which it was, the loader does not tell. But among the first words of the object, in every
 * version of OpenSSL and its kin, is a pointer to a table of methods that lies in the library.
 */
static void *handle_of_object(const void *ssl)
{
	void *words[4];
	if (!ssl)
		return NULL;
	memcpy(words, ssl, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		Dl_info word, function;
		void *handle = handle_of(words[i]), *found = handle ? dlsym(handle, "SSL_read") : NULL;
		if (found && dladdr(words[i], &word) && dladdr(found, &function) &&
		    word.dli_fbase == function.dli_fbase)
			return handle;
		close_handle(handle);
	}
	return NULL;
}

/* What we call must not go away when the host closes its handle. */
static void keep_loaded(void *function)
{
	Dl_info info;
	if (dladdr(function, &info) && info.dli_fname)
		close_handle(dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE));
}

static bool fill(struct tls_library *l, void *caller, const void *ssl)
{
	struct scope scope = {.own = handle_of(caller)};
	void *handle, *found;
	/* The object, whose words are not ours to know, is looked at only where nothing else tells. */
	if (!scope.own || !dlsym(scope.own, "SSL_read"))
		scope.object = handle_of_object(ssl);
#define FIND(name, from)                                                                                               \
	found = (from);                                                                                                \
	memcpy(&l->name, &found, sizeof(found));
#define TLS(name, prototype, arguments, sent, p, count, failed) FIND(name, look_up(&scope, #name))
#include "tls.def"
	close_handle(scope.own);
	close_handle(scope.object);
	memcpy(&found, &l->SSL_read, sizeof(found));
	bool known = found && l->SSL_write && l->SSL_read != hook_SSL_read;
	if (known) {
		/* These are our own wish: from the very library that has the others, or not at all. */
		handle = handle_of(found);
		keep_loaded(found);
		FIND(SSL_get_client_random, handle ? dlsym(handle, "SSL_get_client_random") : NULL)
		FIND(SSL_get_error, handle ? dlsym(handle, "SSL_get_error") : NULL)
		close_handle(handle);
	}
	dlerror(); /* not the host's */
	return known;
}

/* The number of a library that others can use as well; 0: there is none yet, or no room for it. */
static uint32_t share(const struct tls_library *l)
{
	uintptr_t key = (uintptr_t)l->SSL_read;
	for (uint32_t i = 0; i < LIBRARIES_MAX; i++) {
		uintptr_t seen = 0;
		if (atomic_compare_exchange_strong_explicit(&libraries[i].key, &seen, key, memory_order_relaxed,
							    memory_order_relaxed)) {
			libraries[i].library = *l;
			atomic_store_explicit(&libraries[i].ready, true, memory_order_release);
			return i + 1;
		}
		if (seen == key)
			return atomic_load_explicit(&libraries[i].ready, memory_order_acquire) ? i + 1 : 0;
	}
	return 0;
}

static bool ask_loader(void *caller, const void *ssl, struct tls_library *l)
{
	int error = errno;
	*l = (struct tls_library){0};
	bool known = fill(l, caller, ssl);
	errno = error;
	return known;
}

const struct tls_library *tls_library_of(void *caller, const void *ssl, struct tls_library *own)
{
	uintptr_t address = (uintptr_t)caller;
	size_t at = (address >> 2) % CALLERS_MAX;
	for (size_t i = 0; i < CALLERS_MAX; i++, at = (at + 1) % CALLERS_MAX) {
		uintptr_t seen = atomic_load_explicit(&callers[at].address, memory_order_relaxed);
		if (seen == 0 && atomic_compare_exchange_strong_explicit(&callers[at].address, &seen, address,
									 memory_order_relaxed, memory_order_relaxed))
			seen = address;
		if (seen != address)
			continue;
		/* Acquire: pairs with the release below. */
		uint32_t number = atomic_load_explicit(&callers[at].library, memory_order_acquire);
		if (number != 0)
			return &libraries[number - 1].library;
		if (!ask_loader(caller, ssl, own))
			return NULL;
		atomic_store_explicit(&callers[at].library, share(own), memory_order_release);
		return own;
	}
	return ask_loader(caller, ssl, own) ? own : NULL;
}

#ifdef KVS_NOP

#define TLS(name, prototype, arguments, sent, p, count, failed)                                                        \
	EXPORTED int hook_##name prototype                                                                             \
	{                                                                                                              \
		struct tls_library own;                                                                                \
		const struct tls_library *l = tls_library_of(__builtin_return_address(0), ssl, &own);                  \
		return l && l->name ? l->name arguments : (failed);                                                    \
	}

#else

static bool watching(const struct tls_library *l)
{
	return tls_any() && l->SSL_get_client_random && l->SSL_get_error &&
	       atomic_load_explicit(&shim.on, memory_order_acquire);
}

#define TLS(name, prototype, arguments, is_sent, p, count, failed)                                                     \
	EXPORTED int hook_##name prototype                                                                             \
	{                                                                                                              \
		struct tls_library own;                                                                                \
		const struct tls_library *l = tls_library_of(__builtin_return_address(0), ssl, &own);                  \
		if (!l || !l->name)                                                                                    \
			return failed;                                                                                 \
		if (!watching(l))                                                                                      \
			return l->name arguments;                                                                      \
		uint64_t begin_ns = (is_sent) ? record_now_ns() : 0;                                                   \
		int result = l->name arguments;                                                                        \
		size_t moved = count;                                                                                  \
		if (is_sent)                                                                                           \
			tls_sent(l, ssl, p, moved, begin_ns);                                                          \
		else                                                                                                   \
			tls_received(l, ssl, p, moved, result);                                                        \
		return result;                                                                                         \
	}

#endif

#include "tls.def"
