/* A program that runs astray dies by the signal the CPU's exception stands for, wherever its stack pointer is at that
 * moment: in the kernel, nowhere, or at no address at all. None of the places below is the program's on any body.
 *
 * Arguments: null:null null:ram noncanonical:bss runner:bss bss:runner ram:ram data:bss data:ram host:null ud2:runner
 * int3:ram divide:null load:bss syscalls:ram */
#include "t.h"

static const struct {
	const char *name;
	unsigned long at;
} places[] = {
	{ "null", 0 },
	{ "noncanonical", 0x8000000000000000ul },
	{ "runner", 0x600000000000ul + 0x50000 },        /* linuxu's image: constants, */
	{ "bss", 0x600000000000ul + 0xb0000 },           /* and data */
	{ "ram", 0x610000000000ul + 0x10000 },         /* linuxu's RAM */
	{ "mirror", 0x500000000000ul + 0x10000 },      /* linuxu's record of mappings */
	{ "image", 0xffffffff80100000ul },             /* kvm's kernel */
	{ "upper", 0xffff888000000000ul },             /* kvm's RAM */
	{ "host", 0x7f0000001000ul },
	{ "beyond", 0x400000000000ul },
	{ "vsyscall", 0xffffffffff600123ul },          /* no entry of that page */
	{ "low", 0x1000 },
};

static char data[] = "\xc3 is no code here";

static unsigned long place(const char *name, unsigned long own)
{
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(name, places[i].name) == 0)
			return places[i].at;
	return strcmp(name, "data") == 0 ? (unsigned long)data : own;
}

#define WITH_RSP(insns) __asm__ volatile("mov %0, %%rsp\n" insns : : "r"(rsp), "r"(rip) : "rax", "rcx", "r11", "rdi", "memory")

int main(int argc, char **argv)
{
	char *what = argc > 1 ? argv[1] : "null:null", *colon = strchr(what, ':');
	unsigned long rsp, rip;

	*colon = 0;
	rsp = place(colon + 1, (unsigned long)__builtin_frame_address(0) - 4096);
	rip = place(what, 0);
	printf("%s with a stack at %s\n", what, colon + 1);
	fflush(stdout);
	if (strcmp(what, "ud2") == 0)
		WITH_RSP("ud2");
	else if (strcmp(what, "int3") == 0)
		WITH_RSP("int3");
	else if (strcmp(what, "divide") == 0)
		WITH_RSP("xor %%eax, %%eax; div %%eax");
	else if (strcmp(what, "load") == 0)
		WITH_RSP("mov 16, %%rax");
	else if (strcmp(what, "syscalls") == 0)
		WITH_RSP("mov $1000, %%ebx; 1: mov $39, %%eax; syscall; dec %%ebx; jnz 1b\n"
			 "mov $7, %%edi; mov $231, %%eax; syscall");
	WITH_RSP("jmp *%1");
	return 0;
}
