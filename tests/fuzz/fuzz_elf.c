/* libFuzzer target: executables. The input is an interpreter's file (its length in the first two bytes) and a program's,
 * ELF or script; both are put into a tmpfs, and the program is loaded as execve does it, into a real address space. What was
 * mapped is then touched page by page. An image that was not loaded must leave nothing behind. */
#include "core/main.h"
#include "core/mm/space.h"
#include "core/mm/uio.h"
#include "core/proc/thread.h"
#include "core/x86_64/regs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fstest.h"

static void put_file(const char *path, const uint8_t *data, size_t n)
{
	struct file *f;

	OK(t_open(path, O_WRONLY | O_CREAT, 0755, &f));
	fuzz_check(n == 0 || f_pwrite(f, data, n, 0) == (long)n);
	file_put(f);
}

static void touch(struct space *s)
{
	char byte;
	unsigned budget = 2000;

	for (struct vma *v = space_find(s, 0); v; v = vma_next(v)) {
		fuzz_check(v->start < v->end && v->start >= USER_MIN && v->end <= USER_MAX && !((v->start | v->end) & PAGE_MASK));
		for (vaddr_t a = v->start; a < v->end && budget; a += PAGE_SIZE, budget--) {
			int r = copyin(&byte, a, 1);

			fuzz_check(r == 0 || r == -EFAULT);
			if (v->prot & 2 && !r)
				(void)copyout(a + PAGE_SIZE - 1, &byte, 1);
		}
	}
}

static void drop_program(void)
{
	struct proc *p = current_proc();

	if (p->exe->dentry)
		inode_allow_write(p->exe->dentry->inode);
	path_put(p->exe);
	*p->exe = (struct path){ 0 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t stack[KSTACK_SIZE / 8] __attribute__((aligned(4096)));
	static char *const argv[] = { (char *)"prog", (char *)"an argument", NULL }, *const envp[] = { (char *)"A=b", NULL };
	struct fuzz_in in = { data, size };
	const char *why = NULL;

	fake_boot(FUZZ_RAM);
	struct super *super;

	OK(tmpfs_new(&super, 0, 0755));
	fs_mount(super);
	stack[0] = KSTACK_CANARY;
	current_thread()->kstack = (char *)stack;
	fpu_init();
	OK(fpu_alloc(current_thread()));
	size_t n = fuzz_word(&in);

	n = MIN(n, in.len);
	put_file("/ld.so", in.data, n);
	put_file("/prog", in.data + n, in.len - n);
	if (exec_image("/prog", argv, envp, &why) == 0) {
		fuzz_check(current_proc()->space && !why);
		touch(current_proc()->space);
		fake_space_drop();
		drop_program();
	} else {
		fuzz_check(!current_proc()->space);
	}
	current_thread()->kstack = NULL;
	fpu_free(current_thread());
	fs_teardown();
	return 0;
}
