# kvscope: build, test and install. `make help` lists the targets.
#
#   make [V=1] [CC=clang] [CFLAGS=...]   build/kvscope and build/libkvscope.so
#   make demo                            a wrapped session, its trace and its report
#   make test                            everything that can be checked without a network

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g
LDFLAGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
B ?= build

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
	-Wno-sign-conversion -Wvla -Wwrite-strings -Wundef -Wcast-qual -Wformat=2 -Werror
COMMON := -std=c11 -D_GNU_SOURCE -MMD -MP -Iinclude -isystem /usr/share/include $(WARNINGS)
ANALYZER_FLAGS := $(COMMON) -Ianalyzer -include base/banned.h \
	-DKVS_LIBDIR='"$(PREFIX)/lib/kvscope"'
# Guests link libc only, hide everything but the hooks and bind at load time (nothing left to resolve inside a hook).
SHIM_FLAGS := $(COMMON) -Ishim -I$(B)/shim -fPIC -fvisibility=hidden -fexceptions -ftls-model=initial-exec \
	-fno-builtin -U_FORTIFY_SOURCE
SHIM_LDFLAGS := -shared -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--as-needed
LIBS := -lcurl -lcjson -lcrypto -lz -lbrotlidec -lzstd -lm
TEST_LIBS := -lcmocka -lbrotlienc $(LIBS)

PACKAGES := gcc libc6-dev make libcurl4-openssl-dev libcjson-dev uthash-dev node-llhttp libssl-dev zlib1g-dev \
	libbrotli-dev libzstd-dev
LINT_PACKAGES := clang-format cppcheck shellcheck
# For a demo with the real client: its own network, and npm (which other nodes than Debian's bring along).
CLAUDE_PACKAGES := git iproute2 util-linux $(if $(shell command -v npm),,npm)
TEST_PACKAGES := libcmocka-dev curl jq python3 python3-jsonschema iproute2 util-linux git clang valgrind \
	libsocket-wrapper libfaketime proxychains4 libjemalloc2

ifneq ($(V),1)
Q := @
say = @printf '  %-5s %s\n' '$(1)' '$(2)'
endif

.PHONY: all deps test-deps lint-deps demo test check unit e2e claude-versions asan bench engines fuzz lint fmt install uninstall clean help FORCE
.DELETE_ON_ERROR:

all: $(B)/kvscope $(B)/libkvscope.so ## build/kvscope and build/libkvscope.so

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

# ---------------------------------------------------------------- flags: a change of them rebuilds

$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CFLAGS) $(LDFLAGS) $(PREFIX)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) $(LDFLAGS) $(PREFIX)' > $@

# ---------------------------------------------------------------- the analyzer: everything but main in one archive

ANALYZER_SRC := $(wildcard analyzer/*.c analyzer/*/*.c)
ANALYZER_OBJ := $(ANALYZER_SRC:%.c=$(B)/%.o)
# The relay writes the ring by the shim's own protocol.
RELAY_RING_OBJ := $(B)/analyzer/relay/ring_writer.o
ANALYZER_LIB_OBJ := $(filter-out $(B)/analyzer/main.o,$(ANALYZER_OBJ)) $(RELAY_RING_OBJ)
LLHTTP_OBJ := $(addprefix $(B)/llhttp/,api.o http.o llhttp.o)

$(B)/analyzer/%.o: analyzer/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(ANALYZER_FLAGS) -c -o $@ $<

$(B)/analyzer/relay/%.o: ANALYZER_FLAGS += -Ishim
$(RELAY_RING_OBJ): shim/ring_writer.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(ANALYZER_FLAGS) -c -o $@ $<

# Debian ships llhttp as C sources; its own warnings are not ours.
$(B)/llhttp/%.o: /usr/share/llhttp/%.c $(B)/flags
	$(call say,CC,$(notdir $<))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -w -I/usr/share/include -I/usr/share/include/llhttp -c -o $@ $<

$(B)/libanalyzer.a: $(ANALYZER_LIB_OBJ) $(LLHTTP_OBJ)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/kvscope: $(B)/analyzer/main.o $(B)/libanalyzer.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# ---------------------------------------------------------------- the shim

include shim/shim.mk

# ---------------------------------------------------------------- tests

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
HOST_SRC := $(wildcard tests/host/*.c)
HOST_BIN := $(HOST_SRC:tests/host/%.c=$(B)/tests/host/%)

$(B)/tests/unit/%: tests/unit/%.c $(B)/libanalyzer.a $(SHIM_TEST_LIB) $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -Ianalyzer -Ishim -I$(B)/shim -Itests $(LDFLAGS) -o $@ $< $(SHIM_TEST_LIB) $(B)/libanalyzer.a \
		$(TEST_LIBS) -lpthread

# Host programs stand for other people's programs: fortified, no flags of ours.
$(B)/tests/host/%: tests/host/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -D_FORTIFY_SOURCE=2 -D_GNU_SOURCE -std=gnu11 -Wall -Wextra -MMD -MP -o $@ $< -lpthread

FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
# The fuzz targets without libFuzzer: each a test that runs through its corpus.
CORPUS_BIN := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(B)/tests/corpus/corpus_%)
$(B)/tests/corpus/corpus_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(SHIM_TEST_LIB) $(B)/libanalyzer.a $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -Wno-missing-prototypes -Ianalyzer -Ishim -Itests -DCORPUS='"$(abspath tests/fuzz/corpus/$*)"' \
		$(LDFLAGS) -o $@ tests/fuzz/replay.c $< $(SHIM_TEST_LIB) $(B)/libanalyzer.a $(LIBS)

corpus: $(CORPUS_BIN)
	$(Q)tests/run $(CORPUS_BIN)

unit: $(UNIT_BIN) ## the unit tests alone
	$(Q)tests/run $(UNIT_BIN)

E2E := $(sort $(wildcard tests/e2e/t[0-9]*.sh tests/e2e/t[0-9]*.py))

e2e: all $(HOST_BIN) agent ## the tests of the whole program alone
	$(Q)B=$(abspath $(B)) tests/run $(E2E)

CLAUDE_VERSIONS ?= 1.0.128 2.1.42 2.1.112 2.1.176 2.1.208 2.1.240 2.1.330
claude-versions: all ## prefix breakers of more versions of the real client (CLAUDE_VERSIONS=...)
	$(Q)for v in $(CLAUDE_VERSIONS); do echo "Claude Code $$v"; \
		KVSCOPE_CLAUDE=$$v B=$(abspath $(B)) tests/run tests/e2e/t711_why_claude_more.py \
			tests/e2e/t712_why_claude_provoked.py tests/e2e/t713_why_claude_healthy.py \
			tests/e2e/t714_why_claude_terminal.py || exit 1; done

check: lint asan ## what a change must pass besides the tests

test: test-deps ## everything, installing what is missing; last line: N passed, N failed
	$(Q)$(MAKE) --no-print-directory all agent test-programs
	$(Q)B=$(abspath $(B)) tests/run $(UNIT_BIN) $(CORPUS_BIN) $(E2E)

.PHONY: test-programs agent corpus
test-programs: $(UNIT_BIN) $(HOST_BIN) $(CORPUS_BIN)

asan: ## the unit tests under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan \
		CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' unit corpus

# The shim for another architecture, and its tests by emulation; rings are read by this machine's build.
AARCH64 := $(B)/aarch64
AARCH64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
AARCH64_TESTS := t100_shim_families t110_shim_descriptors t120_shim_canary t130_shim_signals t160_shim_invisible
aarch64: test-deps ## cross-build the shim and run its tests under qemu
	$(call install_packages,$(AARCH64_PACKAGES))
	$(Q)$(MAKE) --no-print-directory $(RING_TOOL)
	$(Q)$(MAKE) --no-print-directory B=$(AARCH64) CC=aarch64-linux-gnu-gcc $(AARCH64)/libkvscope.so
	$(Q)$(MAKE) --no-print-directory B=$(AARCH64)/emulated CC=aarch64-linux-gnu-gcc CFLAGS='$(CFLAGS) -DKVS_IDENTITY_BY_INODE' \
		$(AARCH64)/emulated/libkvscope.so $(AARCH64)/emulated/libkvscope-nop.so \
		$(HOST_SRC:tests/host/%.c=$(AARCH64)/emulated/tests/host/%)
	$(Q)B=$(abspath $(B)) KVSCOPE_TARGET=$(abspath $(AARCH64))/emulated \
		KVSCOPE_EMULATOR='qemu-aarch64 -L /usr/aarch64-linux-gnu -U LD_PRELOAD' \
		tests/run $(AARCH64_TESTS:%=tests/e2e/%.py)

.PHONY: tsan aarch64 host-suites
# The tests of what several threads share: ring and descriptor table.
TSAN_TESTS := test_ring test_shim_follow test_shim_life test_shim_sum
tsan: ## the tests of ring and descriptor table under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory B=$(B)/tsan CFLAGS='-O1 -g -fsanitize=thread -Wno-error=tsan' \
		$(TSAN_TESTS:%=$(B)/tsan/tests/unit/%)
	$(Q)tests/run $(TSAN_TESTS:%=$(B)/tsan/tests/unit/%)

T ?= 30
fuzz: ## fuzz each parser for T seconds (clang)
	$(Q)$(MAKE) --no-print-directory B=$(B)/fuzzing CC=clang \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined' fuzz-programs
	$(Q)tests/fuzz/run $(B)/fuzzing $(T)

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)
$(B)/tests/fuzz/%: tests/fuzz/%.c $(SHIM_TEST_LIB) $(B)/libanalyzer.a $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(COMMON) -Wno-missing-prototypes -Ianalyzer -Ishim -Itests -o $@ $< $(SHIM_TEST_LIB) \
		$(B)/libanalyzer.a $(LIBS)

N ?= 5
engines: all ## install real engines (CPU, from PyPI), compare the mock with them, replay a session on each (N=repeats)
	$(Q)tests/engines/install.sh
	$(Q)B=$(abspath $(B)) tests/engines/check.sh
	$(Q)B=$(abspath $(B)) tests/engines/measure.py -n $(N)

BENCH := $(sort $(wildcard tests/bench/*.sh))
BENCH_BIN := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))

$(B)/tests/bench/%: tests/bench/%.c $(B)/libanalyzer.a $(SHIM_TEST_LIB) $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -Ianalyzer -Ishim $(LDFLAGS) -o $@ $< $(SHIM_TEST_LIB) $(B)/libanalyzer.a $(LIBS) -lpthread

QEMU_COUNT := $(B)/tests/bench/qemu/count.so
$(QEMU_COUNT): tests/bench/qemu/count.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -shared -fPIC -o $@ $<

bench: all $(BENCH_BIN) $(RING_TOOL) $(B)/libkvscope-nop.so $(QEMU_COUNT) $(SHIM_EMULATED) agent ## print the figures (ratios) of tests/bench
	$(Q)for b in $(BENCH); do B=$(abspath $(B)) $$b || exit 1; done

host-suites: all ## other people's test suites, bare and wrapped (SUITES="cpython node curl git redis openssh")
	$(Q)B=$(abspath $(B)) python3 -B tests/suites/run.py $(SUITES)

# ---------------------------------------------------------------- examples and demo

agent: $(B)/examples/agent
	@:
$(B)/examples/agent: $(wildcard examples/agent/*.c examples/agent/*.h) $(B)/flags
	$(call say,CC,examples/agent)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -std=c11 -D_GNU_SOURCE $(WARNINGS) -o $@ $(wildcard examples/agent/*.c) -lcurl -lcjson

demo: deps ## a wrapped session, its trace and its report (CLAUDE=1: with the real client)
	$(if $(filter 1,$(CLAUDE)),$(call install_packages,$(CLAUDE_PACKAGES)))
	$(Q)$(MAKE) --no-print-directory all agent
	$(Q)B=$(abspath $(B)) CLAUDE=$(CLAUDE) examples/demo.sh

# ---------------------------------------------------------------- packages

define install_packages
	@missing=; for p in $(1); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	command -v apt-get >/dev/null || { echo "kvscope: please install:$$missing" >&2; exit 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing:$$missing"; \
	DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing >/dev/null 2>&1 || { \
		$$sudo apt-get update -qq >/dev/null 2>&1; \
		for p in $$missing; do DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$p >/dev/null 2>&1 || \
			{ echo "kvscope: cannot install the Debian package $$p" >&2; exit 1; }; done; }
endef

deps: ## install the Debian packages that are missing
	$(call install_packages,$(PACKAGES))

test-deps: deps
	$(call install_packages,$(TEST_PACKAGES))

lint-deps: deps
	$(call install_packages,$(LINT_PACKAGES))

# ---------------------------------------------------------------- install

$(B)/kvscope.1: $(B)/kvscope
	$(Q)$(B)/kvscope help --man > $@
$(B)/kvscope.bash: $(B)/kvscope
	$(Q)$(B)/kvscope help --bash-completion > $@

install: all $(B)/kvscope.1 $(B)/kvscope.bash ## install below PREFIX (DESTDIR honoured)
	install -D -m 755 $(B)/kvscope $(DESTDIR)$(PREFIX)/bin/kvscope
	install -D -m 755 $(B)/libkvscope.so $(DESTDIR)$(PREFIX)/lib/kvscope/libkvscope.so
	install -D -m 644 $(B)/kvscope.1 $(DESTDIR)$(PREFIX)/share/man/man1/kvscope.1
	install -D -m 644 $(B)/kvscope.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kvscope

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/kvscope $(DESTDIR)$(PREFIX)/lib/kvscope/libkvscope.so \
		$(DESTDIR)$(PREFIX)/share/man/man1/kvscope.1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kvscope
	-rmdir $(DESTDIR)$(PREFIX)/lib/kvscope 2>/dev/null

# ---------------------------------------------------------------- lint

C_FILES := $(wildcard analyzer/*.[ch] analyzer/*/*.[ch] include/*/*.h shim/*.[ch] tests/*.h tests/*/*.[ch] examples/*/*.[ch])

fmt: ## format the C files
	clang-format -i $(C_FILES)

lint: lint-deps ## formatting, headers that stand alone, shell scripts, static analysis
	$(call say,FMT,)
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	$(call say,HDR,)
	$(Q)for h in $(wildcard analyzer/*.h analyzer/*/*.h include/*/*.h); do \
		name=$${h#analyzer/}; \
		printf '#include "%s"\nextern int alone;\n' "$${name#include/}" | \
		$(CC) $(COMMON) -Ianalyzer -fsyntax-only -x c - -MF /dev/null || { echo "$$h does not stand alone"; exit 1; }; done
	$(call say,CHECK,cppcheck)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --std=c11 -Iinclude -Ianalyzer \
		--suppress=missingInclude --suppress=unknownMacro analyzer
	$(call say,CHECK,shellcheck)
	$(Q)shellcheck -x $(wildcard tests/run tests/*/*.sh tests/fuzz/run examples/*.sh examples/*/*.sh .ci/run)

clean: ## remove what was built
	rm -rf $(B)

-include $(ANALYZER_OBJ:.o=.d) $(RELAY_RING_OBJ:.o=.d) $(UNIT_BIN:=.d) $(HOST_BIN:=.d) $(CORPUS_BIN:=.d)
