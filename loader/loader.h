/* The program loader: what loader/'s files share. The way in is exec_image() (core/main.h). */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include "core/file/file.h"
#include "core/mm/space.h"
#include "shim/abi/elf.h"

#define ELF_PHNUM_MAX 1170u /* 64 KiB of program headers, Linux's own limit */
#define SCRIPT_DEPTH_MAX 5  /* scripts on the way to a program: execve(2) ELOOP beyond */
#define EXEC_HEAD 256       /* bytes looked at to tell what a file is: BINPRM_BUF_SIZE */

/* A checked ELF file. */
struct elf_image {
	struct file *file; /* reference held */
	struct elf64_ehdr eh;
	struct elf64_phdr *ph; /* kmalloc'ed */
	uint64_t low, high;    /* page-aligned range of its PT_LOAD segments, before relocation */
	uint64_t bias;         /* added to every address; set by elf_map() */
	char *interp;          /* PT_INTERP path, kmalloc'ed; NULL: static */
	bool exec_stack;       /* PT_GNU_STACK asks for it */
};

/* Reads and checks headers from file (its reference is taken over, also on failure). -ENOEXEC and others; *why says what
 * is wrong in a few words. Nothing of the file is trusted: offsets, sizes, counts and overlaps are checked here, so that
 * elf_map() need not. (psABI, elf(5)) */
int elf_open(struct file *file, struct elf_image *out, const char **why);
void elf_close(struct elf_image *e);

/* Maps the segments into the current process's current space at bias; zeroes the rest of the last file page. */
int elf_map(struct elf_image *e, struct space *s, uint64_t bias);

/* Whether the file's own dynamic symbols have one of that name (as far as its GNU hash table tells). Reads the file. */
bool elf_defines(const struct elf_image *e, const char *name);

/* Where the program headers are in memory, or 0. */
uint64_t elf_phdr_address(const struct elf_image *e);

/* A `#!` line (head: the file's first len ≤ EXEC_HEAD bytes, in a zeroed buffer of EXEC_HEAD): interpreter and optional
 * argument, cut out of head in place.
 * 0; -ENOEXEC when there is no interpreter on the line or it is cut off. (execve(2), "Interpreter scripts") */
int script_parse(char *head, size_t len, char **interp, char **arg);

/* What the initial stack holds besides the strings: the psABI's process initialisation, figure 3.9. */
struct stack_args {
	char *const *argv, *const *envp;
	unsigned argc, envc;
	const char *execfn;
	const struct elf_image *exe;
	uint64_t interp_base; /* 0: static */
	uint64_t vdso;
};

/* Bytes that argv, envp and the fixed parts take on the stack at most. */
size_t stack_args_size(const struct stack_args *a);
/* Writes everything below s->stack_top in the current space and fills the space's arg/env fields; *sp is the initial stack
 * pointer. -EFAULT, -ENOMEM when the stack cannot be written. */
int stack_build(struct space *s, const struct stack_args *a, uint64_t *sp);

#endif
