/* plat_symbol(): names for kernel addresses, for backtraces. Shared by both platforms.
 *
 * The table is assembled from the linked image itself, in two passes: link with an empty table (tools/mkksyms
 * </dev/null), run `nm` on the result through tools/mkksyms, assemble, link again. Both platforms' linker scripts
 * place the section .ksyms behind everything else, .bss included, and in a segment of its own, so that its size moves
 * no other address.
 *
 * Table: ascending offsets from ksyms_base, and as many names one after the other in the same order; nobody but a panic
 * looks for the nth of them. A function is taken to reach as far as the next one; the last one, and thus anything beyond
 * the kernel's text, to 64 KiB. */
#include "plat/plat.h"

#define LAST_REACH 65536ul

extern const uint64_t ksyms_base, ksyms_count;
extern const uint32_t ksyms_offsets[];
extern const char ksyms_names[];

const char *plat_symbol(uint64_t addr, uint64_t *offset)
{
	uint64_t low = 0, high = ksyms_count, at = addr - ksyms_base;
	const char *name = ksyms_names;

	if (high == 0 || addr < ksyms_base || at > ksyms_offsets[high - 1] + LAST_REACH)
		return NULL;
	/* The last entry at or below: the first has offset 0. */
	while (high - low > 1) {
		uint64_t mid = (low + high) / 2;

		if (ksyms_offsets[mid] <= at)
			low = mid;
		else
			high = mid;
	}
	*offset = at - ksyms_offsets[low];
	for (uint64_t i = 0; i < low; i++)
		while (*name++ != '\0')
			;
	return name;
}
