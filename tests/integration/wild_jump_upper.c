/* wild_jump with the kernel half of the address space in it, or a stack pointer that is no address. Not in ring 0: what
 * happens there counts as the kernel's own.
 *
 * Arguments: null:image mirror:noncanonical image:own upper:upper vsyscall:own */
#include "wild_jump.c"
