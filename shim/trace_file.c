/* The tracer's printers for files and memory: stat and its kin, statfs, directories, open_how, fcntl, ioctl, mmap. */
#include "core/file/file.h"
#include "core/lib/string.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/mman.h"
#include "shim/abi/stat.h"
#include "shim/abi/structs.h"
#include "shim/trace.h"

/* ---- attributes ---- */

void trace_stat(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_stat st;

	if (!trace_fetch(t, &st, v, sizeof(st)))
		return;
	trace_put(t, "{st_mode=");
	trace_file_mode(t, st.mode, NULL);
	if (S_ISCHR(st.mode) || S_ISBLK(st.mode)) {
		trace_put(t, ", st_rdev=");
		trace_put(t, "makedev(%#x, %#x)", DEV_MAJOR(st.rdev), DEV_MINOR(st.rdev));
	} else {
		trace_put(t, ", st_size=%ld", st.size);
	}
	trace_put(t, ", ...}");
}

void trace_statx(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_statx st;

	if (!trace_fetch(t, &st, v, sizeof(st)))
		return;
	trace_put(t, "{stx_mask=");
	trace_flags_of(t, st.mask, &names_statx);
	trace_put(t, ", stx_attributes=");
	if (st.attributes & 0x2000)
		trace_put(t, "STATX_ATTR_MOUNT_ROOT");
	else
		trace_hex(t, st.attributes, NULL);
	trace_put(t, ", stx_mode=");
	trace_file_mode(t, st.mode, NULL);
	trace_put(t, ", stx_size=%lu, ...}", st.size);
}

void trace_statx_flags(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_value_of(t, v & AT_STATX_SYNC_TYPE, &names_statx_sync);
	if (v & ~(uint64_t)AT_STATX_SYNC_TYPE) {
		trace_put(t, "|");
		trace_flags_of(t, v & ~(uint64_t)AT_STATX_SYNC_TYPE, &names_at);
	}
}

void trace_statfs(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct abi_statfs st;

	if (!trace_fetch(t, &st, v, sizeof(st)))
		return;
	trace_put(t, "{f_type=");
	trace_value_of(t, st.type, &names_fs_magic);
	trace_put(t, ", f_bsize=%lu, f_blocks=%lu, f_bfree=%lu, f_bavail=%lu, f_files=%lu, f_ffree=%lu, f_fsid={val=[",
		  st.bsize, st.blocks, st.bfree, st.bavail, st.files, st.ffree);
	trace_hex32(t, (uint32_t)st.fsid[0], NULL);
	trace_put(t, ", ");
	trace_hex32(t, (uint32_t)st.fsid[1], NULL);
	trace_put(t, "]}, f_namelen=%lu, f_frsize=%lu, f_flags=", st.namelen, st.frsize);
	trace_flags_of(t, st.flags, &names_statfs);
	trace_put(t, "}");
}

/* Only how many: the names make no difference to a diff but its length. */
void trace_dirents(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t at = v, end;
	uint16_t reclen;
	unsigned n = 0;

	trace_ptr_of(t, v);
	if (t->ret < 0)
		return;
	for (end = v + (uint64_t)t->ret; at < end && !copyin(&reclen, at + 16, sizeof(reclen)) && reclen; at += reclen)
		n++;
	trace_put(t, " /* %u entries */", n);
}

void trace_open_how(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t how[3];

	if (!trace_fetch(t, how, v, sizeof(how)))
		return;
	trace_put(t, "{flags=");
	trace_open_flags(t, how[0], NULL);
	if (how[1] || (how[0] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))) {
		trace_put(t, ", mode=");
		trace_mode(t, how[1], NULL);
	}
	trace_put(t, ", resolve=");
	trace_flags_of(t, how[2], &names_resolve);
	trace_put(t, "}");
}

void trace_mremap_addr(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		trace_ptr_of(t, v);
}

/* ---- fcntl ---- */

static void put_flock(struct trace *t, uptr_t addr, bool with_pid)
{
	bool out = t->out;
	struct flock_k fl;

	t->out = with_pid;
	if (trace_fetch(t, &fl, addr, sizeof(fl))) {
		trace_put(t, "{l_type=");
		trace_value_of(t, (uint64_t)fl.type, &names_lock_type);
		trace_put(t, ", l_whence=");
		trace_value_of(t, (uint64_t)fl.whence, &names_whence);
		trace_put(t, ", l_start=%ld, l_len=%ld", fl.start, fl.len);
		if (with_pid)
			trace_put(t, ", l_pid=%d", fl.pid);
		trace_put(t, "}");
	}
	t->out = out;
}

static void put_owner(struct trace *t, uptr_t addr)
{
	int owner[2];

	if (!trace_fetch(t, owner, addr, sizeof(owner)))
		return;
	trace_put(t, "{type=");
	trace_value_of(t, (uint32_t)owner[0], &names_owner);
	trace_put(t, ", pid=%d}", owner[1]);
}

void trace_fcntl_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	switch ((int)t->args[1]) {
	case F_GETFD: case F_GETFL: case F_GETOWN: case F_GETSIG: case F_GETLEASE: case F_GETPIPE_SZ: case F_GET_SEALS:
		return;
	case F_SETFD:
		trace_flags_of(t, v, &names_fd_cloexec);
		return;
	case F_SETFL:
		trace_open_flags(t, v, NULL);
		return;
	case F_SETLK: case F_SETLKW: case F_OFD_SETLK: case F_OFD_SETLKW:
		put_flock(t, v, false);
		return;
	case F_GETLK: case F_OFD_GETLK:
		put_flock(t, v, true);
		return;
	case F_SETOWN_EX:
		t->out = false;
		/* fall through */
	case F_GETOWN_EX:
		put_owner(t, v);
		return;
	case F_ADD_SEALS:
		trace_flags_of(t, v, &names_seals);
		return;
	case F_SETSIG:
		trace_signo_of(t, (int)v);
		return;
	case F_DUPFD: case F_DUPFD_CLOEXEC: case F_SETOWN: case F_SETPIPE_SZ:
		trace_put(t, "%d", (int)v);
		return;
	}
	trace_hex(t, v, NULL);
}

/* ---- ioctl ---- */

void trace_ioctl_cmd(struct trace *t, uint64_t v, const struct trace_names *names)
{
	static const char *const dirs[] = { "_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE" };
	const char *name = trace_name_of(v, &names_ioctl);

	if (name)
		trace_put(t, "%s", name);
	else
		trace_put(t, "_IOC(%s, %#x, %#x, %#x)", dirs[v >> 30 & 3], (unsigned)(v >> 8 & 0xff),
			(unsigned)(v & 0xff),
			  (unsigned)(v >> 16 & 0x3fff));
}

/* The kernel's struct termios, in brief. */
static void put_termios(struct trace *t, uptr_t addr)
{
	uint32_t c[9];

	if (!trace_fetch(t, c, addr, sizeof(c)))
		return;
	trace_put(t, "{c_iflag=");
	if (c[0])
		trace_flags_of(t, c[0], &names_c_iflag);
	trace_put(t, ", c_oflag=NL0|CR0|TAB0|BS0|VT0|FF0");
	if (c[1]) {
		trace_put(t, "|");
		trace_flags_of(t, c[1] & 0377, &names_c_oflag);
	}
	trace_put(t, ", c_cflag=%s|CS%d", (c[2] & 010017) == B38400 ? "B38400" : "B???",
		5 + (int)((c[2] & CSIZE) >> 4));
	if (c[2] & ~(010017u | CSIZE)) {
		trace_put(t, "|");
		trace_flags_of(t, c[2] & ~(010017u | CSIZE), &names_c_cflag);
	}
	trace_put(t, ", c_lflag=");
	if (c[3])
		trace_flags_of(t, c[3], &names_c_lflag);
	trace_put(t, ", ...}");
}

static void put_winsize(struct trace *t, uptr_t addr)
{
	uint16_t ws[4];

	if (trace_fetch(t, ws, addr, sizeof(ws)))
		trace_put(t, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", ws[0], ws[1], ws[2], ws[3]);
}

void trace_ioctl_arg(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint32_t cmd = (uint32_t)t->args[1];

	switch (cmd) {
	case FIOCLEX: case FIONCLEX: case TIOCEXCL: case TIOCNXCL: case TIOCNOTTY:
		return;
	case TCSETS: case TCSETSW: case TCSETSF:
		t->out = false;
		/* fall through */
	case TCGETS:
		put_termios(t, v);
		return;
	case TIOCSWINSZ:
		t->out = false;
		/* fall through */
	case TIOCGWINSZ:
		put_winsize(t, v);
		return;
	case FIONBIO: case FIOASYNC: case TIOCSPGRP: case TIOCSPTLCK:
		t->out = false;
		/* fall through */
	case FIONREAD: case TIOCOUTQ: case SIOCATMARK: case TIOCGPGRP: case TIOCGSID: case TIOCGPTN:
		trace_int_at(t, v, NULL);
		return;
	case TCFLSH: case TCXONC: case TCSBRK: case TIOCSCTTY:
		trace_put(t, "%d", (int)v);
		return;
	}
	trace_hex(t, v, NULL);
}

/* ---- memory ---- */

void trace_mmap_flags(struct trace *t, uint64_t v, const struct trace_names *names)
{
	struct trace_names bare = names_mmap;

	bare.unknown = NULL;
	trace_value_of(t, v & MAP_TYPE, &names_mmap_type);
	if (v & ~(uint64_t)MAP_TYPE) {
		trace_put(t, "|");
		trace_flags_of(t, v & ~(uint64_t)MAP_TYPE, &bare);
	}
}

void trace_mincore(struct trace *t, uint64_t v, const struct trace_names *names)
{
	size_t n = ALIGN_UP(t->args[1], PAGE_SIZE) / PAGE_SIZE;
	unsigned char vec[ARRAY_MAX];

	if (!trace_fetch(t, vec, v, MIN(n, sizeof(vec))))
		return;
	trace_put(t, "[");
	for (size_t i = 0; i < n; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX) {
			trace_put(t, "...");
			break;
		}
		trace_put(t, "%u", vec[i] & 1u);
	}
	trace_put(t, "]");
}
