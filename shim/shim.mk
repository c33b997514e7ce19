# How the shim is built; included by the Makefile at the top.

SHIM_SRC := $(wildcard shim/*.c)
SHIM_OBJ := $(SHIM_SRC:%.c=$(B)/%.o)

$(B)/shim/%.o: shim/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -c -o $@ $<

# What the library exports is what hooks.def names.
$(B)/shim/exports.map: shim/exports.map.in shim/hooks.def shim/tls.def
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -Ishim -o $@ $<

$(B)/libkvscope.so: $(SHIM_OBJ) $(B)/shim/exports.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -Wl,--version-script=$(B)/shim/exports.map -o $@ $(SHIM_OBJ)

# The same hooks, which only forward: what any preload costs.
SHIM_NOP_OBJ := $(addprefix $(B)/shim/nop/,hooks.o hook_syscall.o tls_hooks.o real.o init.o)

$(B)/shim/nop/%.o: shim/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -DKVS_NOP -c -o $@ $<

$(B)/libkvscope-nop.so: $(SHIM_NOP_OBJ) $(B)/shim/exports.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -Wl,--version-script=$(B)/shim/exports.map -o $@ $(SHIM_NOP_OBJ)

# For programs under an emulator of user programs, which knows no SO_COOKIE: the inode has to do.
SHIM_EMULATED := $(B)/emulated/libkvscope.so
SHIM_EMULATED_OBJ := $(SHIM_SRC:shim/%.c=$(B)/shim/emulated/%.o)

$(B)/shim/emulated/%.o: shim/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -DKVS_IDENTITY_BY_INODE -c -o $@ $<

$(SHIM_EMULATED): $(SHIM_EMULATED_OBJ) $(B)/shim/exports.map
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -Wl,--version-script=$(B)/shim/exports.map -o $@ $(SHIM_EMULATED_OBJ)

# For unit tests: all but the hooks themselves, with the steps that tests stop at.
SHIM_TEST_LIB := $(B)/libshim-test.a
SHIM_TEST_OBJ := $(addprefix $(B)/shim/unit/,around.o classify.o fdtab.o follow_data.o follow_fds.o follow_process.o follow_socket.o record.o ring_writer.o sum.o tls.o)

$(B)/shim/unit/%.o: shim/%.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -DKVS_UNIT_TEST -c -o $@ $<

$(SHIM_TEST_LIB): $(SHIM_TEST_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

-include $(SHIM_OBJ:.o=.d) $(SHIM_NOP_OBJ:.o=.d) $(SHIM_EMULATED_OBJ:.o=.d) $(SHIM_TEST_OBJ:.o=.d)

# A ring without the rest of the program, for the tests of the shim.
RING_TOOL := $(B)/tests/ring-tool
$(RING_TOOL): tests/tools/ring_tool.c $(B)/libanalyzer.a $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(COMMON) -Ianalyzer $(LDFLAGS) -o $@ $< $(B)/libanalyzer.a $(LIBS)

e2e test-programs: $(RING_TOOL) $(B)/libkvscope-nop.so
-include $(RING_TOOL:=.d)
