# How the shim is built; included by the Makefile at the top.

SHIM_SRC := $(wildcard shim/*.c)
SHIM_OBJ := $(SHIM_SRC:%.c=$(B)/%.o)
SHIM_TEST_LIB :=

$(B)/shim/%.o: shim/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SHIM_FLAGS) -c -o $@ $<

$(B)/libkvscope.so: $(SHIM_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -o $@ $^

-include $(SHIM_OBJ:.o=.d)
