/* /proc/cpuinfo: what CPUID says, in Linux's words. Names and order of the flags follow Linux's feature words, as
 * programs look for them by name; a bit without a name there is not shown. Source: Intel SDM volume 2A and AMD APM
 * volume 3 (CPUID), for the meaning of leaves and bits.
 *
 * Missing: microcode revision and bugs (they are the host's affair), and what only a kernel's set-up decides. */
#include "core/fs/procfs.h"
#include "core/lib/string.h"
#include "plat/plat.h"

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(sub));
	return r;
}

/* One CPUID register and the names of its bits from 0 on, separated by spaces; "-": none. */
static const struct feature_word {
	uint32_t leaf, sub;
	enum { EAX, EBX, ECX, EDX } reg;
	const char *names;
} words[] = {
	{ 1, 0, EDX,
	  "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi "
	  "mmx fxsr sse sse2 ss ht tm ia64 pbe" },
	{ 0x80000001, 0, EDX,
	  "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm "
	  "3dnowext 3dnow" },
	{ 0x80000007, 0, EDX,
	  "- - - - - - - - constant_tsc" },
	{ 1, 0, ECX,
	  "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca "
	  "sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor" },
	{ 0x80000001, 0, ECX,
	  "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop "
	  "skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc "
	  "perfctr_llc mwaitx" },
	{ 7, 0, EBX,
	  "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f "
	  "avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni "
	  "avx512bw avx512vl" },
	{ 0xd, 1, EAX,
	  "xsaveopt xsavec xgetbv1 xsaves" },
	{ 7, 1, EAX,
	  "- - - - avx_vnni avx512_bf16" },
	{ 0x80000008, 0, EBX,
	  "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd" },
	{ 6, 0, EAX,
	  "dtherm - arat - pln - pts hwp" },
	{ 7, 0, ECX,
	  "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni "
	  "avx512_bitalg - avx512_vpopcntdq - la57 - - - - - rdpid - - cldemote - movdiri movdir64b enqcmd" },
	{ 7, 0, EDX,
	  "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - "
	  "tsxldtrk - pconfig arch_lbr - - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d "
	  "arch_capabilities" },
};

static uint32_t max_leaf(uint32_t leaf) { return cpuid(leaf & 0x80000000u, 0).eax; }

static uint32_t word_bits(const struct feature_word *w)
{
	struct cpuid r;

	if (w->leaf > max_leaf(w->leaf))
		return 0;
	r = cpuid(w->leaf, w->sub);
	return w->reg == EAX ? r.eax : w->reg == EBX ? r.ebx : w->reg == ECX ? r.ecx : r.edx;
}

static void print_word(struct seqbuf *b, const struct feature_word *w)
{
	uint32_t bits = word_bits(w);

	for (const char *s = w->names; *s; bits >>= 1) {
		const char *end = strchr(s, ' ');
		size_t n = end ? (size_t)(end - s) : strlen(s);
		if ((bits & 1) && !(n == 1 && *s == '-')) {
			seqbuf_str(b, " ");
			seqbuf_put(b, s, n);
		}
		s += n + (end != NULL);
	}
}

static void print_vendor(struct seqbuf *b)
{
	struct cpuid r = cpuid(0, 0);
	uint32_t text[3] = { r.ebx, r.edx, r.ecx };

	seqbuf_str(b, "vendor_id\t: ");
	seqbuf_put(b, text, sizeof(text));
	seqbuf_str(b, "\n");
}

/* The brand string, without the blanks around it. */
static void print_model_name(struct seqbuf *b)
{
	char text[49] = "unknown";
	const char *s = text;
	size_t n;

	if (max_leaf(0x80000000u) >= 0x80000004u) {
		for (uint32_t i = 0; i < 3; i++) {
			struct cpuid r = cpuid(0x80000002u + i, 0);
			memcpy(text + 16 * i, &r, 16);
		}
		text[48] = 0;
	}
	while (*s == ' ')
		s++;
	for (n = strlen(s); n && s[n - 1] == ' '; n--)
		;
	seqbuf_str(b, "model name\t: ");
	seqbuf_put(b, s, n);
	seqbuf_str(b, "\n");
}

/* Family, model and stepping, with the extended fields added as both vendors prescribe. */
static void print_family(struct seqbuf *b, uint32_t eax)
{
	uint32_t family = eax >> 8 & 15, model = eax >> 4 & 15;

	if (family == 15)
		family += eax >> 20 & 255;
	if (family >= 6)
		model |= eax >> 12 & 0xf0;
	seqbuf_printf(b, "cpu family\t: %u\nmodel\t\t: %u\n", family, model);
	print_model_name(b);
	seqbuf_printf(b, "stepping\t: %u\n", eax & 15);
}

static uint64_t tsc_khz(void)
{
	struct plat_tsc tsc;

	if (plat_time_tsc(&tsc) || tsc.mult == 0)
		return 0;
	/* mult is ns per cycle in 32.32 fixed point. */
	return (NSEC_PER_SEC << 32) / 1000 / tsc.mult;
}

void cpuinfo_print(struct seqbuf *b)
{
	struct cpuid one = cpuid(1, 0);
	uint64_t khz = tsc_khz();
	uint32_t line = (one.ebx >> 8 & 255) * 8; /* of the cache */
	uint32_t sizes = max_leaf(0x80000000u) >= 0x80000008u ? cpuid(0x80000008u, 0).eax : 0x3024;
	uint32_t cache = max_leaf(0x80000000u) >= 0x80000006u ? cpuid(0x80000006u, 0).ecx >> 16 : 0;

	seqbuf_str(b, "processor\t: 0\n");
	print_vendor(b);
	print_family(b, one.eax);
	seqbuf_printf(b, "cpu MHz\t\t: %lu.%03lu\ncache size\t: %u KB\n", khz / 1000, khz % 1000, cache);
	seqbuf_str(b, "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\n"
		      "initial apicid\t: 0\n");
	seqbuf_printf(b, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:", max_leaf(0));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		print_word(b, &words[i]);
	seqbuf_printf(b, "\nbugs\t\t:\nbogomips\t: %lu.%02lu\n", khz * 2 / 1000, khz * 2 % 1000 / 10);
	seqbuf_printf(b, "clflush size\t: %u\ncache_alignment\t: %u\n", line, line);
	seqbuf_printf(b, "address sizes\t: %u bits physical, %u bits virtual\npower management:\n\n", sizes & 255,
		      sizes >> 8 & 255);
}
