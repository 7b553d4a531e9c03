/* plat_symbol(): names for kernel addresses, for backtraces. Shared by both platforms.
 *
 * The table is assembled from the linked image itself, in two passes: link with an empty table (tools/mkksyms
 * </dev/null), run `nm` on the result through tools/mkksyms, assemble, link again. Both platforms' linker scripts
 * place the section .ksyms behind everything else, .bss included, and in a segment of its own, so that its size moves
 * no other address.
 *
 * Table: ascending offsets from ksyms_base, each with the position of its name in ksyms_names. A function is taken to
 * reach as far as the next one; the last one, and thus anything beyond the kernel's text, to 64 KiB. */
#include "plat/plat.h"

#define LAST_REACH 65536

struct ksym {
	uint32_t offset; /* of the function from ksyms_base */
	uint32_t name;   /* of its name from ksyms_names */
};

extern const uint64_t ksyms_base, ksyms_count;
extern const struct ksym ksyms_table[];
extern const char ksyms_names[];

const char *plat_symbol(uint64_t addr, uint64_t *offset)
{
	uint64_t low = 0, high = ksyms_count, at = addr - ksyms_base;

	if (high == 0 || addr < ksyms_base || at > ksyms_table[high - 1].offset + (uint64_t)LAST_REACH)
		return NULL;
	/* The last entry at or below: the first has offset 0. */
	while (high - low > 1) {
		uint64_t mid = (low + high) / 2;

		if (ksyms_table[mid].offset <= at)
			low = mid;
		else
			high = mid;
	}
	*offset = at - ksyms_table[low].offset;
	return ksyms_names + ksyms_table[low].name;
}
