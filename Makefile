# Doppel: one kernel object, two bodies. `make demo` shows it, `make test` proves it; `make help` lists the rest.
#
# core/, shim/ and loader/ are compiled once and pre-linked into build/kernel.o; plat/linuxu and plat/kvm are linked around
# that file. Lists are explicit and follow the tree.

B        := build
CC       := gcc
LD       := ld
OBJCOPY  := objcopy
V        ?=
Q        := $(if $(V),,@)
say       = @printf '  %-8s %s\n' '$(1)' '$(2)'

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wno-unused-parameter -Wvla -Werror
GCCINC   := $(shell $(CC) -print-file-name=include)
KFLAGS   := -std=gnu11 -g -ffreestanding -nostdinc -isystem $(GCCINC) -I. -fPIE -mgeneral-regs-only -mno-red-zone \
            -fno-stack-protector -fcf-protection=none -fvisibility=hidden -fno-omit-frame-pointer -momit-leaf-frame-pointer \
            -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections '-ffile-prefix-map=$(CURDIR)/=' -include core/hidden.h -DDOPPEL_KERNEL $(WARN)
HFLAGS   := -std=gnu11 -O2 -g -I. -D_GNU_SOURCE $(WARN)

# ---- sources ----
CORE      := main boot sched timer wait trap printf panic random vdso
CORE_X86  := fpu
CORE_LIB  := rbtree string util seqbuf
CORE_MM   := page slab pt entry space fault mremap madvise maps uio pagecache radix
CORE_PROC := proc thread cred signal exit futex itimer
CORE_FILE := file fdtable pipe eventfd timerfd signalfd memfd shm poll epoll lock stdio hostfile tty tty_line
CORE_FS   := vfs dentry path perm namei open attr mount regular memfs memfs_data memfs_xattr tmpfs overlay overlay_save cpio shutdown \
             p9 p9_client p9_data p9_msg p9_name p9_node p9_xattr devfs textfs procfs procfs_pid procfs_stat procfs_sys cpuinfo sysfs
CORE_NET  := socket unix unix_name unix_gc
SHIM      := table errno_names trace trace_args trace_file trace_names trace_net trace_proc inject sys_copy sys_file sys_fs sys_futex \
             sys_ioctl sys_ipc sys_mem sys_misc sys_net sys_poll sys_proc sys_sched sys_signal sys_stat sys_time sys_xattr
LOADER    := elf script auxv execve
KSRC      := $(CORE:%=core/%.c) $(CORE_X86:%=core/x86_64/%.c) $(CORE_LIB:%=core/lib/%.c) $(CORE_MM:%=core/mm/%.c) \
             $(CORE_PROC:%=core/proc/%.c) $(CORE_FILE:%=core/file/%.c) $(CORE_FS:%=core/fs/%.c) \
             $(CORE_NET:%=core/net/%.c) $(SHIM:%=shim/%.c) $(LOADER:%=loader/%.c)
KASM      := core/x86_64/switch.S core/x86_64/copy.S vdso/image.S
LINUXU_C  := $(wildcard plat/linuxu/*.c)
LINUXU_S  := plat/linuxu/entry.S
KVM_C     := $(wildcard plat/kvm/*.c) $(wildcard plat/kvm/virtio/*.c)
KVM_S     := $(wildcard plat/kvm/*.S)

# What frequent system calls, faults and interrupts run through is compiled for speed, all the rest for size.
HOT       := core/sched core/timer core/wait core/trap core/x86_64/fpu core/lib/rbtree core/lib/string $(addprefix core/mm/,page slab pt entry space fault uio pagecache radix) \
             $(addprefix core/file/,file fdtable pipe eventfd poll epoll) $(addprefix core/fs/,dentry path vfs regular memfs_data) \
             core/proc/thread core/proc/signal core/proc/futex $(addprefix shim/,table sys_copy sys_file sys_mem sys_stat)
HOT_PLAT  := linuxu/trap linuxu/mem linuxu/time linuxu/patch kvm/trap kvm/mem kvm/time
KOPT      := -Os
KOPT_HOT  := -O2 -falign-functions=1 -fno-align-jumps -fno-align-loops -fno-align-labels # alignment would be 20 KiB
$(HOT:%=$(B)/k/%.o) $(foreach p,$(HOT_PLAT),$(B)/$(dir $(p))plat/$(p).o): KOPT := $(KOPT_HOT)

# What the platforms may see of the kernel object (plat/plat.h, "Upcalls"); every other symbol becomes local.
KEXPORT   := core_main syscall_active syscall_kind syscall_unknown trap_fault trap_kernel_fault trap_irq trap_return core_page_get \
             core_page_put kprintf panic ksnprintf kvsnprintf pt_next pt_walk current_proc space_find vma_next space_mmap space_munmap space_private_page copy_smap copy_fsrm copy_fixup \
             page_alloc page_put page_va va_to_pa pa_to_page memcpy memmove memset memcmp memchr strlen \
             strnlen strcmp strncmp strchr strrchr strstr errno_text

all: $(B)/doppel-linuxu $(B)/doppel-kvm $(B)/doppel $(B)/doppel.py

# ---- the kernel object ----
KOBJ      := $(KSRC:%.c=$(B)/k/%.o) $(KASM:%.S=$(B)/k/%.o)

$(B)/k/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KFLAGS) $(KOPT) -MMD -MP -c $< -o $@

$(B)/k/%.o: %.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -g -I. -MMD -MP '-ffile-prefix-map=$(CURDIR)/=' -c $< -o $@

$(B)/k/vdso/image.o: $(B)/vdso.so
$(B)/k/vdso/image.o: vdso/image.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -DVDSO_IMAGE='"$(B)/vdso.so"' -c $< -o $@

$(B)/vdso.so: vdso/vdso.c vdso/vdso.ld vdso/vdso_data.h
	$(call say,VDSO,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -ffreestanding -nostdinc -isystem $(GCCINC) -I. -fPIC -mgeneral-regs-only -fno-stack-protector \
		-fcf-protection=none -Wall -Wextra -Wno-unused-parameter -Werror -shared -nostdlib \
		-Wl,-T,vdso/vdso.ld,--hash-style=both,-soname=linux-vdso.so.1,--build-id=none,-z,max-page-size=4096,-z,noexecstack \
		$< -o $@.tmp
	$(Q)$(OBJCOPY) --strip-debug $@.tmp $@ && rm $@.tmp

$(B)/kernel.o: $(KOBJ) Makefile
	$(call say,LD -r,$@)
	$(Q)$(LD) -r -o $@.tmp $(KOBJ)
	$(Q)$(OBJCOPY) $(KEXPORT:%=--keep-global-symbol=%) $@.tmp $@ && rm $@.tmp

# ---- the two bodies ----
# Each is linked twice: the first image's symbols become the second's table for backtraces (plat/ksyms.c).
# (Two pattern rules each: one with two targets would make both at once.)
define plat_rules
$(B)/$(1)/%.o: %.c
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(KFLAGS) $$(KOPT) -MMD -MP -c $$< -o $$@
$(B)/$(1)/%.o: %.S
	$$(call say,AS,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -g -I. -MMD -MP '-ffile-prefix-map=$$(CURDIR)/=' -c $$< -o $$@
endef
$(eval $(call plat_rules,linuxu))
$(eval $(call plat_rules,kvm))

LINUXU_OBJ := $(LINUXU_C:%.c=$(B)/linuxu/%.o) $(LINUXU_S:%.S=$(B)/linuxu/%.o) $(B)/linuxu/plat/ksyms.o
KVM_OBJ    := $(KVM_C:%.c=$(B)/kvm/%.o) $(KVM_S:%.S=$(B)/kvm/%.o) $(B)/kvm/plat/ksyms.o
LDFLAGS    := -static --no-dynamic-linker --build-id=none -z noexecstack -z max-page-size=4096 --gc-sections --no-relax

# Nobody maps this file: loaders copy its segments, so they need no pages of their own in it (but in memory: kvm.ld).
KVM_LDFLAGS := -z max-page-size=64

# $(1) output, $(2) linker script, $(3) objects, $(4) more flags. The map ends with the kernel object's hash: both bodies must name one.
define link_body
	$(Q)tools/mkksyms </dev/null >$(1).syms0.S && $(CC) -c $(1).syms0.S -o $(1).syms0.o
	$(Q)$(LD) $(LDFLAGS) $(4) -T $(2) -o $(1).pass1 $(3) $(1).syms0.o
	$(Q)nm -n $(1).pass1 | tools/mkksyms >$(1).syms.S && $(CC) -c $(1).syms.S -o $(1).syms.o
	$(Q)$(LD) $(LDFLAGS) $(4) -T $(2) -Map $(1).map -o $(1).tmp $(3) $(1).syms.o
	$(Q)sha256sum $(B)/kernel.o >>$(1).map
	$(Q)rm -f $(1).pass1 $(1).syms*.[So] && mv $(1).tmp $(1)
endef

$(B)/doppel-linuxu: $(LINUXU_OBJ) $(B)/kernel.o plat/linuxu/linuxu.ld tools/mkksyms
	$(call say,LINK,$@)
	$(call link_body,$@,plat/linuxu/linuxu.ld,$(LINUXU_OBJ) $(B)/kernel.o)

$(B)/doppel-kvm: $(KVM_OBJ) $(B)/kernel.o plat/kvm/kvm.ld tools/mkksyms
	$(call say,LINK,$@)
	$(call link_body,$@,plat/kvm/kvm.ld,$(KVM_OBJ) $(B)/kernel.o,$(KVM_LDFLAGS))
	$(Q)$(OBJCOPY) --only-keep-debug $@ $@.debug # QEMU would read the symbols at every start; gdb finds them here
	$(Q)$(OBJCOPY) --strip-all --add-gnu-debuglink=$@.debug $@

# ---- the command line ----
DOPPEL_C := main options inject boot linuxu kvm broker tty tsc pack doctor gdb
$(B)/tools/%.o: tools/doppel/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HFLAGS) -MMD -MP -c $< -o $@

$(B)/doppel: $(DOPPEL_C:%=$(B)/tools/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^

$(B)/doppel.py: tools/gdb/doppel.py
	$(Q)cp $< $@

# ---- unit tests: the same sources, compiled for this host, with a fake platform ----
# Left out: what the fake platform or the host's libc stands in for.
UNIT_LEFT_OUT := core/lib/string.c core/mm/slab.c core/panic.c
UNIT_SRC      := $(filter-out $(UNIT_LEFT_OUT),$(KSRC)) core/x86_64/switch.S
UNIT_SUPPORT  := $(patsubst %,tests/unit/%.c,fakeplat fakemmu fakeio fakeslab unit_main)
UNIT_TESTS    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
# Programs inherit which signals are ignored (nohup, a shell's background jobs), and ours do, too: tests begin with none.
SIGNALS       := env --default-signal

UNIT_CFLAGS   := -std=gnu11 -O1 -g -I. -D_GNU_SOURCE -DDOPPEL_KERNEL -DDOPPEL_UNIT -fno-strict-aliasing -fno-omit-frame-pointer \
                 $(filter-out -Werror,$(WARN)) $(shell pkg-config --cflags check 2>/dev/null)
# Platform sources that are plain logic, linked into their tests (others are included by the test).
UNIT_EXTRA_linuxu_patch := plat/linuxu/patch_code.c
UNIT_EXTRA_p9srv        := $(wildcard plat/linuxu/p9srv*.c)
UNIT_EXTRA_p9srv_file   := $(UNIT_EXTRA_p9srv)
UNIT_EXTRA_p9srv_attr   := $(UNIT_EXTRA_p9srv)
UNIT_EXTRA_p9srv_xattr  := $(UNIT_EXTRA_p9srv)
UNIT_LIBS      = $(shell pkg-config --libs check 2>/dev/null)
UNIT_EXTRA_copy := core/x86_64/copy_real.c # the object, made from copy.S
ASAN          := -fsanitize=address,undefined -fno-sanitize-recover=all

# $(1) directory, $(2) flags: an archive of the kernel, and one executable per test file.
define unit_rules
$(1)/%.o: %.c
	$$(call say,CC,$$< ($(notdir $(1))))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(UNIT_CFLAGS) $(2) -MMD -MP -c $$< -o $$@
$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -I. -c $$< -o $$@
$(1)/kernel.a: $$(patsubst %.S,$(1)/%.o,$$(UNIT_SRC:%.c=$(1)/%.o)) $$(UNIT_SUPPORT:%.c=$(1)/%.o)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
$$(foreach t,$$(UNIT_TESTS:test_%=%),$$(eval $(1)/test_$$(t): $$$$(UNIT_EXTRA_$$(t):%.c=$(1)/%.o)))
$(1)/test_%: $(1)/tests/unit/test_%.o $(1)/kernel.a
	$$(Q)$$(CC) $(2) -Wl,--wrap=page_alloc -o $$@ $$< $$(UNIT_EXTRA_$$*:%.c=$(1)/%.o) $(1)/kernel.a $$(UNIT_LIBS)
$(1)/test_copy: $(1)/core/x86_64/copy_real.o
$(1)/core/x86_64/copy_real.o: core/x86_64/copy.S
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -g -I. -c $$< -o $$@ && $$(OBJCOPY) --prefix-symbols=real_ $$@
$(1)/all: $$(UNIT_TESTS:%=$(1)/%)
	@touch $$@
endef
$(eval $(call unit_rules,$(B)/unit,))
$(eval $(call unit_rules,$(B)/unit-asan,$(ASAN)))

unit: $(B)/unit/all
	@$(SIGNALS) tests/unit/run unit $(UNIT_TESTS:%=$(B)/unit/%)
unit-asan: $(B)/unit-asan/all
	@$(SIGNALS) tests/unit/run unit-asan $(UNIT_TESTS:%=$(B)/unit-asan/%)
unit-valgrind: $(B)/unit/all
	@$(SIGNALS) tests/unit/run unit-valgrind $(UNIT_TESTS:%=$(B)/unit/%)

# ---- fuzzing: libFuzzer targets on the same hosted kernel, and random system calls on both bodies ----
FUZZ_CC       := clang
FUZZ_TARGETS  := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS  ?= 60
FUZZ_CFLAGS    = $(UNIT_CFLAGS) -w -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_SUPPORT  := $(filter-out %/unit_main.c,$(UNIT_SUPPORT)) tests/fuzz/fuzz.c
FUZZ_EXTRA_p9srv := $(UNIT_EXTRA_p9srv)
FUZZ_EXTRA_ctl   := plat/kvm/virtio/frame.c
$(B)/fuzz/%.o: %.c
	$(call say,CLANG,$<)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@
$(B)/fuzz/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -I. -c $< -o $@
$(B)/fuzz/kernel.a: $(patsubst %.S,$(B)/fuzz/%.o,$(UNIT_SRC:%.c=$(B)/fuzz/%.o)) $(FUZZ_SUPPORT:%.c=$(B)/fuzz/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^
$(foreach t,$(FUZZ_TARGETS),$(eval $(B)/fuzz/fuzz_$(t): $(FUZZ_EXTRA_$(t):%.c=$(B)/fuzz/%.o)))
$(B)/fuzz/fuzz_%: $(B)/fuzz/tests/fuzz/fuzz_%.o $(B)/fuzz/kernel.a
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -Wl,--wrap=page_alloc -o $@ $(filter %.o,$^) $(B)/fuzz/kernel.a
$(B)/fuzz/syscalls: tests/fuzz/syscalls.c shim/syscalls.def
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -I. -ffreestanding -fno-stack-protector -fcf-protection=none -nostdlib -static $(WARN) -o $@ $<
fuzz: $(FUZZ_TARGETS:%=$(B)/fuzz/fuzz_%)
	@B=$(B) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_TARGETS)
fuzz-syscalls: all $(B)/fuzz/syscalls
	@B=$(B) $(SIGNALS) tests/fuzz/run-syscalls
fuzz-short: all $(B)/fuzz/syscalls
	@B=$(B) LINUXU_SEEDS=40 KVM_SEEDS=20 CALLS=2000 $(SIGNALS) tests/fuzz/run-syscalls

# ---- integration and program tests ----
$(B)/integration/%: tests/integration/%.c tests/integration/t.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -w $< -o $@

INTEGRATION := $(patsubst tests/integration/%.c,$(B)/integration/%,$(wildcard tests/integration/*.c))

# Every way to link a program: hello-LIBC-KIND. musl-gcc's -static-pie makes a dynamic one, hence the explicit link.
HELLO := glibc-dyn glibc-static glibc-static-pie glibc-nopie musl-dyn musl-static musl-static-pie
MUSL  := /usr/lib/x86_64-linux-musl
hello_flags_glibc-static     := -static
hello_flags_glibc-static-pie := -static-pie
hello_flags_glibc-nopie      := -no-pie
hello_flags_musl-static      := -static
$(B)/programs/hello-glibc-%: tests/programs/src/hello.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 $(hello_flags_glibc-$*) -o $@ $<
$(B)/programs/hello-musl-static-pie: tests/programs/src/hello.c
	@mkdir -p $(@D)
	$(Q)musl-gcc -O1 -fPIE -c -o $@.o $<
	$(Q)$(LD) -static -pie --no-dynamic-linker -z text -o $@ $(MUSL)/rcrt1.o $(MUSL)/crti.o $@.o $(MUSL)/libc.a \
		$(shell $(CC) -print-libgcc-file-name) $(MUSL)/crtn.o
$(B)/programs/hello-musl-%: tests/programs/src/hello.c
	@mkdir -p $(@D)
	$(Q)musl-gcc -O1 $(hello_flags_musl-$*) -o $@ $<
$(B)/programs/cpu: tests/programs/src/cpu.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -o $@ $<
PROGRAMS := $(HELLO:%=$(B)/programs/hello-%) $(B)/programs/cpu

integration: all $(INTEGRATION)
	@B=$(B) $(SIGNALS) tests/integration/run
programs: all $(PROGRAMS)
	@B=$(B) BODIES="linuxu kvm" $(SIGNALS) tests/programs/run
	@B=$(B) BODIES=ring0 $(SIGNALS) tests/programs/run hello sqlite coreutils start
tools_flags_calls := -static -nostdlib -fno-stack-protector
$(B)/tools-test/%: tests/tools/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -g -D_GNU_SOURCE -Wall -Wextra -Werror $(tools_flags_$*) -o $@ $<
tools-test: all $(patsubst tests/tools/%.c,$(B)/tools-test/%,$(wildcard tests/tools/*.c))
	@B=$(B) $(SIGNALS) tests/tools/run
checks: all $(B)/gen_syscalls_doc
	@B=$(B) tests/checks/run

# ---- the README's two commands ----
demo:
	@tools/install-deps
	@$(MAKE) --no-print-directory all
	@B=$(B) tools/demo

# The second make sees what install-deps has just installed (pkg-config's answers).
test:
	@tools/install-deps test
	@$(MAKE) --no-print-directory test-all
test-all:
	@B=$(B) MAKE="$(MAKE) --no-print-directory" tests/all

# BENCH=--quick, --json, --only boot,…
bench:
	@tools/install-deps bench
	@$(MAKE) --no-print-directory all
	@B=$(B) bench/run $(BENCH)

# PREFIX/bin/doppel, and beside it in PREFIX/lib/doppel what it starts.
PREFIX   ?= /usr/local
INSTALLED := doppel-linuxu doppel-kvm doppel-kvm.debug doppel.py
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/doppel
	install $(B)/doppel $(DESTDIR)$(PREFIX)/bin
	install $(INSTALLED:%=$(B)/%) $(DESTDIR)$(PREFIX)/lib/doppel

help:
	@echo 'make demo           install what is needed, build, run sqlite3 and python3 natively, on linuxu and in QEMU'
	@echo 'make test           build and run every test below'
	@echo 'make all            build/doppel, build/doppel-linuxu, build/doppel-kvm'
	@echo 'make install        doppel into PREFIX/bin (/usr/local), its images into PREFIX/lib/doppel'
	@echo 'make unit           unit tests; also unit-asan, unit-valgrind'
	@echo 'make integration    each behaviour natively and on every body'
	@echo 'make programs       real Debian packages natively and on every body'
	@echo 'make tools-test     the command line: options, streams, terminals, bad executables, gdb'
	@echo 'make checks         checks of the tree and the images'
	@echo 'make fuzz           fuzz targets, a minute each (FUZZ_SECONDS); fuzz-syscalls: random system calls'
	@echo 'make bench          beside native Linux and a Linux guest'
	@echo 'make docs           generated documents'
	@echo 'make clean          removes $(B)/   (V=1 shows commands, B=DIR builds elsewhere)'

# ---- generated documents: docs/syscalls.md from shim/syscalls.def; docs-check fails when it is not current ----
$(B)/gen_syscalls_doc: tools/gen_syscalls_doc.c shim/syscalls.def
	@mkdir -p $(@D)
	$(Q)$(CC) -Wall -Wextra -Werror -I. -o $@ $<
docs: $(B)/gen_syscalls_doc
	$(Q)$< >docs/syscalls.md
docs-check: $(B)/gen_syscalls_doc
	$(Q)$< | diff -u docs/syscalls.md - || { echo "docs/syscalls.md is not current: make docs"; exit 1; }

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all clean docs docs-check tools-test unit unit-asan unit-valgrind fuzz fuzz-short fuzz-syscalls integration programs checks demo test test-all bench install help
.DELETE_ON_ERROR:
.SECONDARY:
