/* Interrupt controllers: the 8259s masked, the local APIC (x2APIC where there is one), its timer, the IOAPICs.
 *
 * An interrupt is noted where it arrives and turned into IRQ_ bits when the kernel looks (irq_collect), so that nothing
 * runs in interrupt context. The first IOAPIC is at its usual place on every machine we boot on; another one (QEMU's
 * microvm with ACPI) is looked up in the MADT (ACPI 6.5, 5.2.12) when a driver asks for an input that the first has
 * not. */
#include "core/lib/string.h"
#include "plat/kvm/kvm.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"

#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

/* Intel SDM volume 3, chapter 11: registers as xAPIC offsets; the x2APIC MSR is 0x800 + offset / 16. */
#define MSR_APIC_BASE 0x1b
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_X2 (1u << 10)
#define MSR_X2APIC 0x800
#define APIC_ID 0x020
#define APIC_TPR 0x080
#define APIC_EOI 0x0b0
#define APIC_SPURIOUS 0x0f0
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_SOFTWARE_ENABLE 0x100
#define LVT_MASKED (1u << 16)
#define LVT_TSC_DEADLINE (2u << 17)
#define TIMER_DIVIDE_1 0xb

#define IOAPIC_DEFAULT 0xfec00000
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_VERSION 0x01
#define IOAPIC_ENTRY(n) (0x10 + 2 * (n))
#define ENTRY_ACTIVE_LOW (1u << 13)
#define ENTRY_LEVEL (1u << 15)

#define IOAPICS_MAX 4

struct ioapic {
	volatile char *regs;
	unsigned gsi_base, inputs;
};

static volatile char *apic; /* NULL: x2APIC */
static uint32_t apic_id;
static struct ioapic ioapics[IOAPICS_MAX];
static unsigned ioapic_count;
static bool timer_pending;

/* ---- Local APIC ---- */

static uint32_t apic_read(unsigned reg)
{
	return apic != NULL ? mmio_read32(apic + reg) : (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
}

static void apic_write(unsigned reg, uint32_t v)
{
	if (apic != NULL)
		mmio_write32(apic + reg, v);
	else
		wrmsr(MSR_X2APIC + reg / 16, v);
}

void apic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	/* An unmasked 8259 would raise vector 8, which looks like a double fault. */
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);

	if (cpu_has(CPU_X2APIC)) {
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2);
		apic_id = apic_read(APIC_ID);
	} else {
		wrmsr(MSR_APIC_BASE, base);
		apic = kvm_map_mmio(base & 0xffffffffff000, PAGE_SIZE);
		if (apic == NULL)
			panic("no memory for page tables");
		apic_id = apic_read(APIC_ID) >> 24;
	}
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_SPURIOUS, APIC_SOFTWARE_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_1);
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

void apic_timer_start(uint32_t ns) { apic_write(APIC_TIMER_INITIAL, ns); }
uint32_t apic_timer_left(void) { return apic_read(APIC_TIMER_CURRENT); }

void apic_timer_deadline(void)
{
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER | LVT_TSC_DEADLINE);
	/* The mode must have changed before the first write of the deadline MSR (SDM 11.5.4.1). */
	mb();
}

uint64_t msi_address(void) { return 0xfee00000 | (uint64_t)(apic_id & 0xff) << 12; }

/* ---- IOAPICs ---- */

static uint32_t ioapic_read(const struct ioapic *io, unsigned reg)
{
	mmio_write32(io->regs + IOAPIC_SELECT, reg);
	return mmio_read32(io->regs + IOAPIC_WINDOW);
}

static void ioapic_write(const struct ioapic *io, unsigned reg, uint32_t v)
{
	mmio_write32(io->regs + IOAPIC_SELECT, reg);
	mmio_write32(io->regs + IOAPIC_WINDOW, v);
}

static void ioapic_add(paddr_t pa, unsigned gsi_base)
{
	struct ioapic *io = &ioapics[ioapic_count];
	uint32_t version;

	for (unsigned i = 0; i < ioapic_count; i++)
		if (ioapics[i].gsi_base == gsi_base)
			return;
	if (ioapic_count == IOAPICS_MAX)
		return;
	io->regs = kvm_map_mmio(pa, PAGE_SIZE);
	if (io->regs == NULL)
		return;
	version = ioapic_read(io, IOAPIC_VERSION);
	if (version == 0xffffffff)
		return; /* nothing there */
	io->gsi_base = gsi_base;
	io->inputs = (version >> 16 & 0xff) + 1;
	ioapic_count++;
}

/* ACPI 6.5, 5.2.5 to 5.2.12: table layouts, by offset. Bad checksums are not looked for: the tables are the
 * hypervisor's. */
#define RSDP_REVISION 15
#define RSDP_RSDT 16
#define RSDP_XSDT 24
#define SDT_LENGTH 4
#define SDT_HEADER 36
#define MADT_ENTRIES 44
#define MADT_TYPE_IOAPIC 1

static uint32_t load32(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t load64(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static paddr_t rsdp_search(void)
{
	const char *area = mem_window(0xe0000);

	for (unsigned off = 0; off < 0x20000; off += 16)
		if (memcmp(area + off, "RSD PTR ", 8) == 0)
			return 0xe0000 + off;
	return 0;
}

static void madt_parse(const char *madt)
{
	uint32_t len = load32(madt + SDT_LENGTH);

	for (uint32_t off = MADT_ENTRIES; off + 12 <= len && off < 65536 && madt[off + 1] != 0; off += (uint8_t)madt[off + 1])
		if (madt[off] == MADT_TYPE_IOAPIC)
			ioapic_add(load32(madt + off + 4), load32(madt + off + 8));
}

static void madt_find(void)
{
	paddr_t rsdp_pa = kvm_rsdp != 0 ? kvm_rsdp : rsdp_search();
	const char *rsdp, *sdt;
	paddr_t sdt_pa;
	unsigned width;
	uint32_t len;

	if (rsdp_pa == 0)
		return;
	rsdp = mem_window(rsdp_pa);
	width = rsdp[RSDP_REVISION] >= 2 ? 8 : 4;
	sdt_pa = width == 8 ? load64(rsdp + RSDP_XSDT) : load32(rsdp + RSDP_RSDT);
	sdt = mem_window(sdt_pa);
	len = load32(sdt + SDT_LENGTH);
	for (uint32_t off = SDT_HEADER; off + width <= len; off += width) {
		/* The window moves: look at the list again each time. */
		const char *table;

		sdt = mem_window(sdt_pa);
		table = mem_window(width == 8 ? load64(sdt + off) : load32(sdt + off));
		if (memcmp(table, "APIC", 4) == 0) {
			madt_parse(table);
			return;
		}
	}
}

static struct ioapic *ioapic_find(unsigned gsi)
{
	for (unsigned i = 0; i < ioapic_count; i++)
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].inputs)
			return &ioapics[i];
	return NULL;
}

int irq_enable(unsigned gsi, unsigned vector, bool level, bool low)
{
	struct ioapic *io;
	unsigned input;

	if (ioapic_count == 0)
		ioapic_add(IOAPIC_DEFAULT, 0);
	io = ioapic_find(gsi);
	if (io == NULL && !kvm_in_core) {
		madt_find();
		io = ioapic_find(gsi);
	}
	if (io == NULL)
		return -ENODEV;
	input = gsi - io->gsi_base;
	ioapic_write(io, IOAPIC_ENTRY(input) + 1, apic_id << 24);
	ioapic_write(io, IOAPIC_ENTRY(input), vector | (level ? ENTRY_LEVEL : 0) | (low ? ENTRY_ACTIVE_LOW : 0));
	return 0;
}

/* ---- Arrival ---- */

void irq_note(unsigned vector)
{
	if (vector == VECTOR_TIMER)
		timer_pending = true;
	else if (vector >= VECTOR_DEVICE && vector < VECTOR_DEVICE + VECTOR_DEVICES)
		virtio_irq(vector);
	apic_write(APIC_EOI, 0);
}

unsigned irq_collect(void)
{
	unsigned irqs = virtio_poll();

	if (timer_pending) {
		timer_pending = false;
		if (time_timer_fired())
			irqs |= IRQ_TIMER;
	}
	return irqs;
}

/* `sti` takes effect after the next instruction: an interrupt that is already pending ends the hlt. */
void plat_idle(void)
{
	unsigned irqs;

	while ((irqs = irq_collect()) == 0)
		__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
	trap_irq(irqs);
}

void plat_poll(void)
{
	unsigned irqs;

	__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	irqs = irq_collect();
	if (irqs != 0)
		trap_irq(irqs);
}
