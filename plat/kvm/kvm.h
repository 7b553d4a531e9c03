/* What the parts of plat/kvm share: the machine's layout, port and register access, and who calls whom.
 *
 * plat/kvm itself: boot.S (entry from the loader), entry.S (syscalls, exceptions, interrupts), main.c (order of boot,
 * end), mem.c (RAM map, page tables, address spaces), trap.c (GDT, IDT, exceptions in kernel code), apic.c, time.c,
 * serial.c. plat/kvm/virtio/ and ctl.c: devices. Boot runs on the boot stack with interrupts off until core_main(). */
#ifndef PLAT_KVM_KVM_H
#define PLAT_KVM_KVM_H

/* The kernel's half of every address space. User addresses end at USER_MAX (core/types.h). */
#define KVM_DIRECT_MAP 0xffff800000000000 /* all of RAM: root entries from 256 on */
#define KVM_IMAGE_BASE 0xffffffff80000000 /* physical 0 as the image is linked: the last 2 GiB, first half */
#define KVM_MMIO_BASE  0xffffffffc0000000 /* device registers, uncached: second half */

/* Selectors. The user ones equal Linux's, as does the real CS and SS of an application in ring 3. */
#define SEL_KERNEL_CS 0x10
#define SEL_KERNEL_SS 0x18
#define SEL_TSS       0x40

/* Interrupt vectors above the exceptions'. */
#define VECTOR_TIMER    0x20
#define VECTOR_DEVICE   0x30 /* the first of VECTOR_DEVICES: virtio devices share them as they like */
#define VECTOR_DEVICES  16
#define VECTOR_SPURIOUS 0xff

/* Which boot protocol brought us here (boot.S). */
#define KVM_LOADER_PVH   1
#define KVM_LOADER_LINUX 2
#define KVM_BOOT_STACK   16384

/* plat.h's constants for the assembly (trap.c checks that they agree). */
#define KVM_SYSCALL_MAX   512
#define KVM_SYSCALL_LIGHT 1

#ifndef __ASSEMBLER__
#include "core/types.h"

/* ---- Instructions ---- */

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* Orders ordinary memory accesses between the CPU and a device's ring: mb() also a store before a later load. */
static inline void mb(void) { __asm__ volatile("mfence" : : : "memory"); }
static inline void barrier(void) { __asm__ volatile("" : : : "memory"); }

/* Device registers: one access of exactly this width. */
static inline uint8_t mmio_read8(const volatile void *p) { return *(const volatile uint8_t *)p; }
static inline uint16_t mmio_read16(const volatile void *p) { return *(const volatile uint16_t *)p; }
static inline uint32_t mmio_read32(const volatile void *p) { return *(const volatile uint32_t *)p; }
static inline void mmio_write8(volatile void *p, uint8_t v) { *(volatile uint8_t *)p = v; }
static inline void mmio_write16(volatile void *p, uint16_t v) { *(volatile uint16_t *)p = v; }
static inline void mmio_write32(volatile void *p, uint32_t v) { *(volatile uint32_t *)p = v; }

/* ---- Memory (mem.c) ---- */

/* Physical address of kernel data: an object of the image (static) or anything in the direct map. */
paddr_t kvm_pa(const void *va);

/* Maps device registers uncached: their kernel address, or NULL (no room, no page). pa need not be aligned. Works from
 * before virtio_init() on; mappings are never given back; the same page mapped twice is one mapping. */
volatile void *kvm_map_mmio(paddr_t pa, size_t len);

/* Zeroed, physically contiguous pages in the direct map, taken out of RAM for ever. Only until core_main() is called:
 * for rings and buffers that devices need from the start. NULL when RAM is short. */
void *kvm_boot_pages(size_t pages);

/* ---- Boot parameters (main.c) ---- */

/* Value of the nth command line word `name=value` or `name`: a pointer into the command line and its length (0 for a
 * bare word), or NULL. The value is not terminated: a space or the end follows. */
const char *kvm_word(const char *name, unsigned nth, size_t *len);
bool kvm_flag(const char *name);

/* ACPI root table pointer from the boot loader, 0 when it gave none (then the BIOS area is searched). */
extern paddr_t kvm_rsdp;

/* ---- Interrupts (apic.c) ---- */

/* Routes an IOAPIC input to a vector of this CPU and unmasks it. gsi is the global system interrupt, as
 * virtio_mmio.device= words and ACPI name them; level: level triggered (PCI INTx: `low`, active low), else edge
 * triggered, active high. -ENODEV: no IOAPIC has this input. */
int irq_enable(unsigned gsi, unsigned vector, bool level, bool low);

/* What a device must write, and where, to raise `vector` here (MSI and MSI-X). */
uint64_t msi_address(void);
static inline uint32_t msi_data(unsigned vector) { return vector; }

/* ---- Devices: virtio/ and ctl.c implement, plat/kvm calls ---- */

/* Finds devices and sets them up. Called once on the boot stack, interrupts off, memory, time and irq_enable() ready;
 * must not need an interrupt. core_page_get() is not there yet: kvm_boot_pages() is. */
void virtio_init(void);

/* Device vector `vector` came in: notes or acknowledges it at the device. The local APIC's end of interrupt follows by
 * itself. virtio_poll() is called next. */
void virtio_irq(unsigned vector);

/* Looks at the used rings and returns the IRQ_ bits (plat.h) of what happened since the last call. Cheap when nothing
 * did: plat_idle() calls it before it halts. */
unsigned virtio_poll(void);

/* Kernel messages over the control channel: false when there is none (or not yet): the serial line takes them. Must
 * work from anywhere, also during a panic, without interrupts. */
bool ctl_log(const char *text, size_t len);

/* Sends CTL_EXIT and waits until the host has taken everything; returns at once when there is no channel, and after a
 * second at the latest in a panic (status CTL_EXIT_PANIC). */
void ctl_exit(uint32_t status);

/* ---- Among plat/kvm's own files ---- */

struct cpu;
struct regs;
extern struct cpu kvm_cpu0;
extern bool kvm_ring0;   /* the application runs in ring 0 (the command line's `ring0`) */
extern bool kvm_in_core; /* core_main() has been called: core_page_get() works */

/* boot.S, entry.S, kvm.ld */
extern uint64_t kvm_gdt[];
extern uint64_t kernel_root[512], image_pdpt[512], image_pd[512], direct_pdpt[512], boot_low[512];
extern char boot_stack[KVM_BOOT_STACK];
extern const char image_start[], text_end[], rodata_start[], data_start[], ksyms_start[], image_end[];
extern const char trap_stubs[], trap_spurious[], syscall_entry[], syscall_entry_ring0[];

/* main.c */
_Noreturn void kvm_main(uint32_t loader, paddr_t info);
bool cpu_has(unsigned feature);

/* What cpu_has() knows. */
enum {
	CPU_FSGSBASE,
	CPU_SMEP,
	CPU_SMAP,
	CPU_XSAVE,
	CPU_X2APIC,
	CPU_TSC_DEADLINE,
	CPU_PAGE_1G,
	CPU_KVM, /* the hypervisor is KVM: its clock MSRs work */
};

/* mem.c. mem_init: reads the loader's information, finds RAM, maps it. mem_protect: gives the image's pages their
 * rights, drops the identity map. mem_window: the firmware's tables at pa, readable for at least 2 MiB, until the next
 * call; only during boot. */
void mem_init(uint32_t loader, paddr_t info);
void mem_protect(void);
const void *mem_window(paddr_t pa);
extern char kvm_cmdline[];

/* trap.c */
void trap_init(void);

/* apic.c. Timer counts are ticks of 1 ns: the local APIC runs at 1 GHz under QEMU, KVM and Firecracker. */
void apic_init(void);
void apic_timer_start(uint32_t ns);
uint32_t apic_timer_left(void);
void apic_timer_deadline(void); /* switches the timer to TSC-deadline mode */
/* Interrupt `vector` came in: acknowledges it and remembers it for irq_collect(). */
void irq_note(unsigned vector);
/* The IRQ_ bits of everything that came in since the last call. */
unsigned irq_collect(void);

/* time.c */
void time_init(void);
bool time_timer_fired(void); /* after a timer interrupt: true if the deadline has passed, else arms the timer again */

/* serial.c */
void serial_init(void);
void serial_write(const char *text, size_t len);
#endif
#endif
