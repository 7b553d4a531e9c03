/* Order of boot, the command line, CPU features, the log, the end of the machine.
 *
 * kvm_main() is the whole of boot in the order in which each step needs the ones before it. Words on the command line
 * that are the platform's own: ring0 (the program runs in ring 0), tsc=HZ and epoch=NS (time.c), serial (messages go
 * to the serial line even if there is a control channel); nosmap and noxsave (the kernel does without stac, clac and
 * xsave, for KVMs that emulate kernel code and do not know these instructions). */
#include "core/cpu.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "plat/ctl.h"
#include "plat/kvm/kvm.h"
#include "plat/plat.h"

#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_MCE        (1ul << 6)
#define CR4_FSGSBASE   (1ul << 16)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)

/* x87, SSE, AVX and the three of AVX-512. Not: MPX (gone), PKRU (no pkeys here), AMX (8 KiB that programs must ask
 * for). */
#define XCR0_WANTED 0xe7u

bool kvm_in_core;
static uint32_t features;
static bool log_serial;

bool cpu_has(unsigned feature) { return (features & 1u << feature) != 0; }

static void feature_set(unsigned feature, bool on)
{
	features = on ? features | 1u << feature : features & ~(1u << feature);
}

static void features_read(void)
{
	uint32_t r[4], max;
	bool hypervisor;

	cpuid(0, 0, r);
	max = r[0];
	cpuid(1, 0, r);
	feature_set(CPU_XSAVE, r[2] & 1u << 26);
	feature_set(CPU_X2APIC, r[2] & 1u << 21);
	feature_set(CPU_TSC_DEADLINE, r[2] & 1u << 24);
	hypervisor = r[2] & 1u << 31;
	if (max >= 7) {
		cpuid(7, 0, r);
		feature_set(CPU_FSGSBASE, r[1] & 1u << 0);
		feature_set(CPU_SMEP, r[1] & 1u << 7);
		feature_set(CPU_SMAP, r[1] & 1u << 20);
	}
	cpuid(0x80000001, 0, r);
	feature_set(CPU_PAGE_1G, r[3] & 1u << 26);
	if (hypervisor) {
		cpuid(0x40000000, 0, r);
		/* "KVMKVMKVM\0\0\0" in ebx, ecx, edx; bit 3 of 0x40000001: the clock MSRs 0x4b564d00 and 01. */
		if (r[1] == 0x4b4d564b && r[2] == 0x564b4d56 && r[3] == 0x4d) {
			cpuid(0x40000001, 0, r);
			feature_set(CPU_KVM, r[0] & 1u << 3);
		}
	}
}

/* What the program may use and what protects the kernel from it. In ring 0 SMEP and SMAP would forbid the program its
 * own pages. */
static void features_enable(void)
{
	uint64_t cr4;
	uint32_t r[4];

	if (kvm_ring0 || kvm_flag("nosmap"))
		feature_set(CPU_SMAP, false);
	if (kvm_ring0)
		feature_set(CPU_SMEP, false);
	if (kvm_flag("noxsave"))
		feature_set(CPU_XSAVE, false);
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_MCE;
	if (cpu_has(CPU_FSGSBASE))
		cr4 |= CR4_FSGSBASE;
	if (cpu_has(CPU_XSAVE))
		cr4 |= CR4_OSXSAVE;
	if (cpu_has(CPU_SMEP))
		cr4 |= CR4_SMEP;
	if (cpu_has(CPU_SMAP)) {
		cr4 |= CR4_SMAP;
		copy_smap = 1;
	}
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
	if (cpu_has(CPU_XSAVE)) {
		cpuid(0xd, 0, r);
		__asm__ volatile("xsetbv" : : "c"(0), "a"(r[0] & XCR0_WANTED), "d"(0));
	}
}

void kvm_main(uint32_t loader, paddr_t info)
{
	serial_init();
	features_read();
	mem_init(loader, info);
	log_serial = kvm_flag("serial");
	trap_init();
	features_enable();
	mem_protect();
	apic_init();
	time_init();
	virtio_init();
	kvm_in_core = true;
	core_main();
}

/* ---- Command line ---- */

const char *kvm_word(const char *name, unsigned nth, size_t *len)
{
	size_t name_len = strlen(name);

	for (const char *s = kvm_cmdline; *s != '\0';) {
		const char *end = s;

		while (*end != '\0' && *end != ' ')
			end++;
		if ((size_t)(end - s) >= name_len && memcmp(s, name, name_len) == 0 &&
		    (s + name_len == end || s[name_len] == '=') && nth-- == 0) {
			s += name_len;
			if (s != end)
				s++;
			*len = (size_t)(end - s);
			return s;
		}
		for (s = end; *s == ' '; s++)
			;
	}
	return NULL;
}

bool kvm_flag(const char *name)
{
	size_t len;

	return kvm_word(name, 0, &len) != NULL;
}

const char *plat_cmdline(void) { return kvm_cmdline; }
const char *plat_name(void) { return "kvm"; }

/* ---- Log and end ---- */

void plat_log(const char *text, size_t len)
{
	if (!ctl_log(text, len) || log_serial)
		serial_write(text, len);
}

#define PORT_DEBUG_EXIT 0xf4   /* QEMU's isa-debug-exit as the launcher places it */
#define PORT_PM1A_CONTROL 0x604 /* ACPI's on QEMU's pc and q35 */
#define PM1A_POWER_OFF 0x2000  /* SLP_EN with SLP_TYP 0: S5 there */
#define PORT_KEYBOARD 0x64
#define KEYBOARD_RESET 0xfe

/* Tries what the machines we know have; ports that are not there ignore the write. The last resort is a triple fault,
 * which resets: QEMU ends by -no-reboot. */
static _Noreturn void power_off(bool crashed)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = { 0, 0 };

	outb(PORT_DEBUG_EXIT, crashed ? 1 : 0);
	outw(PORT_PM1A_CONTROL, PM1A_POWER_OFF);
	outb(PORT_KEYBOARD, KEYBOARD_RESET);
	__asm__ volatile("lidt %0\n\tud2" : : "m"(no_idt));
	__builtin_unreachable();
}

void plat_exit(int status)
{
	ctl_exit((uint32_t)status);
	power_off(false);
}

void plat_crash(void)
{
	static bool again;

	/* A fault on the way out must not lead back here for ever. */
	if (!again) {
		again = true;
		ctl_exit(CTL_EXIT_PANIC);
	}
	power_off(true);
}
