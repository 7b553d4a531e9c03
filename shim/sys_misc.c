/* System calls about the system and the process's odd attributes: uname, sysinfo, prctl, arch_prctl, capabilities,
 * random, names of the host, and those that a unikernel's program has no business with, which answer as on Linux
 * without the privilege or the device.
 *
 * uid 0 has all capabilities and cannot drop single ones. Missing: seccomp, namespaces, the kernel log. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/printf.h"
#include "core/random.h"
#include "shim/abi/resource.h"
#include "shim/abi/structs.h"
#include "shim/shim.h"

/* ---- names ---- */

static char domainname[UTSNAME_LEN] = "(none)";

long sys_uname(uptr_t dst)
{
	struct abi_utsname u;

	memset(&u, 0, sizeof(u));
	str_copy(u.sysname, UNAME_SYSNAME, UTSNAME_LEN);
	str_copy(u.nodename, hostname_get(), UTSNAME_LEN);
	str_copy(u.release, UNAME_RELEASE, UTSNAME_LEN);
	str_copy(u.version, UNAME_VERSION, UTSNAME_LEN);
	str_copy(u.machine, UNAME_MACHINE, UTSNAME_LEN);
	str_copy(u.domainname, domainname, UTSNAME_LEN);
	return copyout(dst, &u, sizeof(u));
}

/* A host or domain name that root passes: 0 or -errno. */
static int name_in(char name[UTSNAME_LEN], uptr_t src, size_t len)
{
	if (!caller_is_root())
		return -EPERM;
	if (len >= UTSNAME_LEN)
		return -EINVAL;
	memset(name, 0, UTSNAME_LEN);
	return copyin(name, src, len);
}

long sys_sethostname(uptr_t src, size_t len)
{
	char name[UTSNAME_LEN];
	int r = name_in(name, src, len);

	return r ? r : hostname_set(name, strlen(name));
}

long sys_setdomainname(uptr_t src, size_t len)
{
	char name[UTSNAME_LEN];
	int r = name_in(name, src, len);

	if (!r)
		memcpy(domainname, name, sizeof(domainname));
	return r;
}

/* ---- the system ---- */

long sys_sysinfo(uptr_t dst)
{
	struct abi_sysinfo si = { .mem_unit = 1 };
	struct page_stats st;

	page_stats(&st);
	si.uptime = (int64_t)(clock_mono() / NSEC_PER_SEC);
	si.totalram = st.total << PAGE_SHIFT;
	si.freeram = st.free << PAGE_SHIFT;
	list_each(l, &proc_all)
		si.procs += (uint16_t)list_entry(l, struct proc, all_link)->nthreads;
	return copyout(dst, &si, sizeof(si));
}

#define GRND_NONBLOCK 1u
#define GRND_RANDOM 2u
#define GRND_INSECURE 4u

long sys_getrandom(uptr_t dst, size_t len, uint32_t flags)
{
	uint8_t buf[256];
	size_t done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	len = MIN(len, RW_MAX);
	while (done < len) {
		size_t n = MIN(len - done, sizeof(buf));

		random_bytes(buf, n);
		if (copyout(dst + done, buf, n))
			break;
		done += n;
		if (done % (256 * 1024) == 0 && (sched_point() || signal_pending()))
			break;
	}
	memset(buf, 0, sizeof(buf));
	return done || !len ? (long)done : -EFAULT;
}

#define REBOOT_MAGIC1 0xfee1deadu
#define REBOOT_RESTART 0x01234567u
#define REBOOT_HALT 0xcdef0123u
#define REBOOT_POWER_OFF 0x4321fedcu
#define REBOOT_CAD_ON 0x89abcdefu

long sys_reboot(uint64_t magic, uint64_t magic2, uint64_t cmd, uptr_t arg)
{
	static const uint32_t magics[] = { 672274793u, 85072278u, 369367448u, 537993216u };
	bool known = false;

	if (!caller_is_root())
		return -EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		known |= (uint32_t)magic2 == magics[i];
	if ((uint32_t)magic != REBOOT_MAGIC1 || !known)
		return -EINVAL;
	switch ((uint32_t)cmd) {
	case REBOOT_CAD_ON: case 0:
		return 0;
	case REBOOT_RESTART: case REBOOT_HALT: case REBOOT_POWER_OFF:
		vfs_sync();
		kprintf("doppel: the program asked for the machine's end (reboot)\n");
		plat_exit(0);
	}
	return -EINVAL;
}

/* syslog(2): an empty log. */
long sys_syslog(int type, uptr_t buf, int len)
{
	if (type < 0 || type > 10)
		return -EINVAL;
	if (type != 3 && type != 10 && !caller_is_root())
		return -EPERM;
	if ((type == 2 || type == 3 || type == 4) && (!buf || len < 0))
		return -EINVAL;
	return 0;
}

/* ---- capabilities: capget(2) ---- */

static uint64_t all_caps(void)
{
	return (1ul << (CAP_LAST + 1)) - 1;
}

/* Words per set for the version in the header; an unknown one is answered with ours and -EINVAL. */
static int cap_header_in(uptr_t uheader, int *words, int *pid)
{
	struct abi_cap_header h;
	uint32_t ours = CAP_VERSION_3;

	if (copyin(&h, uheader, sizeof(h)))
		return -EFAULT;
	*pid = h.pid;
	switch (h.version) {
	case CAP_VERSION_1:
		*words = 1;
		return 0;
	case CAP_VERSION_2: case CAP_VERSION_3:
		*words = 2;
		return 0;
	}
	return copyout(uheader, &ours, sizeof(ours)) ? -EFAULT : -EINVAL;
}

long sys_capget(uptr_t uheader, uptr_t udata)
{
	struct abi_cap_data d[2];
	const struct cred *c;
	struct proc *p;
	uint64_t caps;
	int words, pid, r;

	r = cap_header_in(uheader, &words, &pid);
	/* Asking for the version alone is no error. */
	if (r == -EINVAL && !udata)
		return 0;
	if (r)
		return r;
	if (pid < 0)
		return -EINVAL;
	p = task_arg(pid);
	if (!p)
		return -ESRCH;
	if (!udata)
		return 0;
	c = p->cred;
	caps = c->euid == 0 ? all_caps() : 0;
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(caps >> 32 * i);
		d[i].permitted = (uint32_t)((c->euid == 0 || c->ruid == 0 || c->suid == 0 ? all_caps() : 0) >> 32 * i);
		d[i].inheritable = 0;
	}
	return copyout(udata, d, (size_t)words * sizeof(d[0]));
}

long sys_capset(uptr_t uheader, uptr_t udata)
{
	struct abi_cap_data d[2] = { 0 };
	uint64_t effective, permitted, have = caller_is_root() ? all_caps() : 0;
	int words, pid, r;

	r = cap_header_in(uheader, &words, &pid);
	if (r)
		return r;
	if (pid != 0 && pid != current_thread()->tid)
		return -EPERM;
	if (copyin(d, udata, (size_t)words * sizeof(d[0])))
		return -EFAULT;
	effective = d[0].effective | (uint64_t)d[1].effective << 32;
	permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	/* Bits beyond the last capability are ignored. */
	effective &= all_caps();
	permitted &= all_caps();
	return (permitted & ~have) || (effective & ~permitted) ? -EPERM : 0;
}

/* ---- prctl ---- */

#define TIMERSLACK_DEFAULT 50000
#define COMM_SIZE 16

static long comm_set(uptr_t src)
{
	struct thread *t = current_thread();
	char name[COMM_SIZE] = { 0 };
	long n = copyin_str(name, src, sizeof(name));

	if (n == -EFAULT)
		return n;
	name[COMM_SIZE - 1] = '\0'; /* silently cut: PR_SET_NAME */
	memcpy(t->comm, name, sizeof(t->comm));
	if (t->tid == t->proc->pid)
		memcpy(t->proc->comm, name, sizeof(t->proc->comm));
	return 0;
}

static long bool_set(bool *where, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	*where = value != 0;
	return 0;
}

static long int_out(uptr_t dst, int value)
{
	return copyout(dst, &value, sizeof(value));
}

static long prctl_process(struct proc *p, int option, uint64_t arg, bool rest_zero)
{
	struct proc_attrs *a = &p->attrs;

	switch (option) {
	case PR_SET_PDEATHSIG:
		if (arg > NSIG)
			return -EINVAL;
		a->pdeathsig = (int)arg;
		return 0;
	case PR_GET_PDEATHSIG:
		return int_out(arg, a->pdeathsig);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (arg > 1)
			return -EINVAL;
		p->dumpable = (int)arg;
		return 0;
	case PR_GET_KEEPCAPS:
		return a->keepcaps;
	case PR_SET_KEEPCAPS:
		return bool_set(&a->keepcaps, arg);
	case PR_SET_CHILD_SUBREAPER:
		a->child_subreaper = arg != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return int_out(arg, a->child_subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (arg != 1 || !rest_zero)
			return -EINVAL;
		a->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return arg || !rest_zero ? -EINVAL : a->no_new_privs;
	case PR_SET_THP_DISABLE:
		if (!rest_zero)
			return -EINVAL;
		a->thp_disable = arg != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return arg || !rest_zero ? -EINVAL : a->thp_disable;
	case PR_SET_TIMERSLACK:
		a->timerslack = (int64_t)arg <= 0 ? 0 : arg;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)(a->timerslack ? a->timerslack : TIMERSLACK_DEFAULT);
	case PR_GET_SECUREBITS:
		return a->securebits;
	case PR_SET_SECUREBITS:
		if (!caller_is_root())
			return -EPERM;
		a->securebits = (uint32_t)arg & 0xff;
		return 0;
	}
	return -EINVAL;
}

long sys_prctl(int option, uint64_t arg, uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	struct thread *t = current_thread();

	switch (option) {
	case PR_SET_NAME:
		return comm_set(arg);
	case PR_GET_NAME:
		return copyout(arg, t->comm, COMM_SIZE);
	case PR_GET_SECCOMP:
		return 0;
	case PR_CAPBSET_READ:
		return arg > CAP_LAST ? -EINVAL : 1;
	case PR_CAPBSET_DROP:
		if (!caller_is_root())
			return -EPERM;
		return arg > CAP_LAST ? -EINVAL : 0;
	case PR_CAP_AMBIENT:
		/* Nothing is ever in the ambient set. */
		if (arg == PR_CAP_AMBIENT_CLEAR_ALL)
			return arg3 || arg4 || arg5 ? -EINVAL : 0;
		if (arg3 > CAP_LAST || arg4 || arg5)
			return -EINVAL;
		return arg == PR_CAP_AMBIENT_IS_SET || arg == PR_CAP_AMBIENT_LOWER ? 0 :
		       arg == PR_CAP_AMBIENT_RAISE ? -EPERM : -EINVAL;
	case PR_GET_TID_ADDRESS:
		return copyout(arg, &t->clear_child_tid, sizeof(t->clear_child_tid));
	case PR_GET_TSC:
		return int_out(arg, PR_TSC_ENABLE);
	case PR_SET_TSC:
		return arg == PR_TSC_ENABLE ? 0 : -EINVAL;
	}
	return prctl_process(t->proc, option, arg, !arg3 && !arg4 && !arg5);
}

long sys_arch_prctl(int code, uptr_t arg)
{
	uint64_t base;

	switch (code) {
	case ARCH_SET_FS: case ARCH_SET_GS:
		if (arg >= USER_MAX)
			return -EPERM;
		if (code == ARCH_SET_FS)
			plat_fs_set(arg);
		else
			plat_gs_set(arg);
		return 0;
	case ARCH_GET_FS: case ARCH_GET_GS:
		base = code == ARCH_GET_FS ? plat_fs_get() : plat_gs_get();
		return copyout(arg, &base, sizeof(base));
	case ARCH_GET_CPUID:
		return 1;
	}
	return -EINVAL;
}

long sys_personality(uint64_t persona)
{
	struct proc *p = current_proc();
	unsigned old = p->personality;

	if ((uint32_t)persona != UINT32_MAX)
		p->personality = (unsigned)persona;
	return old;
}

/* ---- namespaces, devices, leftovers ---- */

#define UNSHARE_PLAIN (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM)
#define UNSHARE_SINGLE (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) /* allowed to a process with one thread */
#define UNSHARE_NAMESPACES 0x7e020000u

/* Nothing is shared between processes yet, so unsharing it is done. */
long sys_unshare(uint64_t flags)
{
	if (flags & ~(uint64_t)(UNSHARE_PLAIN | UNSHARE_SINGLE | UNSHARE_NAMESPACES | CLONE_NEWTIME))
		return -EINVAL;
	if (flags & (UNSHARE_NAMESPACES | CLONE_NEWTIME))
		return -EPERM;
	return (flags & UNSHARE_SINGLE) && current_proc()->nthreads > 1 ? -EINVAL : 0;
}

long sys_iopl(int level)
{
	return (unsigned)level > 3 ? -EINVAL : -EPERM;
}

long sys_ioperm(uint64_t from, uint64_t num, int on)
{
	return from + num <= from || from + num > 65536 ? -EINVAL : -EPERM;
}

long sys_vhangup(void)
{
	return caller_is_root() ? 0 : -EPERM;
}

/* Nothing was interrupted that could be restarted. */
long sys_restart_syscall(void)
{
	return -EINTR;
}
