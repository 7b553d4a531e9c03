/* plat_symbol(): names for kernel addresses, for backtraces. Shared by both platforms.
 *
 * The table is assembled from the linked image itself, in two passes: link with an empty table (tools/mkksyms
 * </dev/null), run `nm` on the result through tools/mkksyms, assemble, link again. Both platforms' linker scripts
 * place the section .ksyms behind everything else, .bss included, and in a segment of its own, so that its size moves
 * no other address.
 *
 * Table: the distance of each function from the one before it (the first: from ksyms_base, which is 0) as ULEB128, and
 * as many names one after the other in the same order; nobody but a panic searches it. A function is taken to reach as
 * far as the next one; the last one, and thus anything beyond the kernel's text, to 64 KiB. */
#include "plat/plat.h"

#define LAST_REACH 65536ul

extern const uint64_t ksyms_base, ksyms_count;
extern const uint8_t ksyms_distances[];
extern const char ksyms_names[];

/* DWARF 5, section 7.6: seven bits a byte, the lowest first; the highest bit says that more follow. */
static uint64_t uleb128(const uint8_t **p)
{
	uint64_t v = 0;
	unsigned shift = 0;

	do
		v |= (uint64_t)(**p & 0x7f) << shift;
	while (shift += 7, *(*p)++ & 0x80);
	return v;
}

const char *plat_symbol(uint64_t addr, uint64_t *offset)
{
	const uint8_t *distance = ksyms_distances;
	const char *name = ksyms_names, *found = NULL;
	uint64_t at = ksyms_base, start = 0;

	for (uint64_t i = 0; i < ksyms_count; i++) {
		at += uleb128(&distance);
		if (at > addr) {
			*offset = addr - start;
			return found;
		}
		found = name;
		start = at;
		while (*name++ != '\0')
			;
	}
	*offset = addr - start;
	return *offset < LAST_REACH ? found : NULL;
}
