/* linuxu: the host's standard streams, its terminal, forwarded signals, messages, and waiting for all of these.
 *
 * Nothing here may block but plat_idle(). Pipes and terminals are opened a second time through /proc/self/fd, which
 * gives a file description of our own to set O_NONBLOCK on: the one we inherited is shared with other processes.
 * Sockets have MSG_DONTWAIT, regular files and /dev/null never block, and what cannot be opened again is asked by poll first
 * and then given no more than a ready pipe or terminal takes without blocking.
 *
 * A stream that answered -EAGAIN is "wanted": plat_idle() polls it; while the program computes, a tick asks now and
 * then. */
#include "plat/linuxu/linuxu.h"
#include "core/lib/string.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/ioctl.h"
#include "shim/abi/poll.h"
#include "shim/abi/resource.h"
#include "shim/abi/signal.h"
#include "shim/abi/stat.h"
#include "shim/abi/time.h"

#define TICK_NS (20 * NSEC_PER_MSEC)
#define POLL_CHUNK_PIPE 4096ul /* PIPE_BUF: a pipe that polls writable takes as much at once (pipe(7)) */
#define POLL_CHUNK_TTY 256ul   /* a terminal polls writable when it has this much room */
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000
#define HOST_sendto 44
#define HOST_recvfrom 45

enum how { HOW_PLAIN, HOW_NONBLOCK, HOW_SOCKET, HOW_POLL };

static struct stream {
	enum plat_stdio_kind kind;
	enum how how;
	int fd, flags, same;
	bool terminal; /* really */
	bool in_wanted, out_wanted;
} streams[3];

static uint64_t signals; /* forwarded and not yet taken; bit n-1 is signal n */
static bool log_is_tty, trace_is_tty, trace_lost;

/* ---- finding out what they are ---- */

static bool is_tty(int fd)
{
	struct host_winsize ws;

	return host_ioctl(fd, TIOCGWINSZ, &ws) == 0;
}

/* A description of our own for what fd refers to, or -1. */
static int reopen(int fd, int flags)
{
	char path[] = "/proc/self/fd/0";
	long r;

	path[sizeof(path) - 2] = (char)('0' + fd);
	r = host_openat(AT_FDCWD, path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	return r < 0 ? -1 : (int)r;
}

static void stream_find(struct stream *s, int fd)
{
	struct host_stat st;
	long flags = host_fcntl(fd, F_GETFL, 0);
	int again;

	s->fd = fd;
	s->how = HOW_PLAIN;
	if (flags < 0 || (flags & O_PATH) || host_fstat(fd, &st) < 0) {
		s->kind = PLAT_STDIO_CLOSED;
		/* Keep the number taken, so that no other file gets it. */
		if (host_openat(AT_FDCWD, "/dev/null", O_RDWR, 0) < 0)
			host_call3(HOST_memfd_create, HP("closed"), 0, 0);
		return;
	}
	s->flags = (int)flags & (O_ACCMODE | O_APPEND);
	s->kind = S_ISREG(st.mode) || S_ISDIR(st.mode) ? PLAT_STDIO_FILE : PLAT_STDIO_STREAM;
	if (S_ISREG(st.mode) || S_ISDIR(st.mode))
		return;
	if (S_ISSOCK(st.mode)) {
		s->how = HOW_SOCKET;
		return;
	}
	if (S_ISCHR(st.mode) && st.rdev == DEV_MAKE(1, 3))
		s->kind = PLAT_STDIO_NULL;
	if (S_ISCHR(st.mode) && st.rdev == DEV_MAKE(1, 5))
		s->kind = PLAT_STDIO_ZERO;
	if (S_ISCHR(st.mode) && st.rdev == DEV_MAKE(1, 7))
		s->kind = PLAT_STDIO_FULL;
	if (s->kind != PLAT_STDIO_STREAM)
		return;
	s->terminal = is_tty(fd);
	if (s->terminal)
		s->kind = PLAT_STDIO_TTY;
	s->how = HOW_POLL;
	if (s->kind == PLAT_STDIO_TTY || S_ISFIFO(st.mode)) {
		again = reopen(fd, (int)(flags & O_ACCMODE));
		if (again >= 0) {
			s->fd = again;
			s->how = HOW_NONBLOCK;
		}
	}
}

/* Are descriptors a and b one open file? Where nobody may ask (kcmp(2), which sandboxes like to forbid), the same place in
 * the same file, opened alike, is taken for it. */
static bool same_file(int a, int b)
{
	struct host_stat sa, sb;
	long pid = host_call3(HOST_getpid, 0, 0, 0), r = host_call5(HOST_kcmp, (uint64_t)pid, (uint64_t)pid, 0, (uint64_t)a, (uint64_t)b);

	if (r >= 0 || streams[a].kind != PLAT_STDIO_FILE)
		return r == 0;
	return host_fstat(a, &sa) == 0 && host_fstat(b, &sb) == 0 && sa.dev == sb.dev && sa.ino == sb.ino &&
	       host_fcntl(a, F_GETFL, 0) == host_fcntl(b, F_GETFL, 0) &&
	       host_call3(HOST_lseek, (uint64_t)a, 0, SEEK_CUR) == host_call3(HOST_lseek, (uint64_t)b, 0, SEEK_CUR);
}

static int same_as(int fd)
{
	for (int i = 0; i < fd; i++)
		if (streams[i].kind == streams[fd].kind && streams[i].kind != PLAT_STDIO_CLOSED && same_file(i, fd))
			return i;
	return fd;
}

/* Called before anything else is opened: descriptors 0 to 2 are taken afterwards. */
void streams_init(void)
{
	for (int fd = 0; fd < 3; fd++) {
		stream_find(&streams[fd], fd);
		if (options.tty && streams[fd].kind != PLAT_STDIO_CLOSED)
			streams[fd].kind = PLAT_STDIO_TTY;
		streams[fd].same = same_as(fd);
	}
	/* A terminal's line discipline wants ^C before anybody reads. */
	streams[0].in_wanted = streams[0].kind == PLAT_STDIO_TTY;
	log_is_tty = is_tty(options.log_fd);
	trace_is_tty = options.trace_fd >= 0 && is_tty(options.trace_fd);
}

enum plat_stdio_kind plat_stdio_kind(int fd)
{
	return fd >= 0 && fd < 3 ? streams[fd].kind : PLAT_STDIO_CLOSED;
}

int plat_stdio_same(int fd) { return streams[fd].same; }
int plat_stdio_flags(int fd) { return streams[fd].flags; }

/* ---- bytes ---- */

static bool ready(int fd, int events)
{
	struct host_pollfd p = { .fd = fd, .events = (int16_t)events };
	struct host_timespec now = { 0 };

	return host_ppoll(&p, 1, &now) > 0;
}

/* While the program computes, streams that are waited for are looked at now and then. */
void streams_tick(void)
{
	time_tick(plat_time_mono() + TICK_NS);
}

long plat_stdio_read(void *buf, size_t len)
{
	struct stream *s = &streams[0];
	long r;

	if (s->kind == PLAT_STDIO_CLOSED)
		return -EIO;
	do {
		if (s->how == HOW_SOCKET)
			r = host_call6(HOST_recvfrom, (uint64_t)s->fd, HP(buf), len, MSG_DONTWAIT, 0, 0);
		else if (s->how == HOW_POLL && !ready(s->fd, POLLIN))
			r = -EAGAIN;
		else
			r = host_read(s->fd, buf, len);
	} while (r == -EINTR);
	if (r == -EAGAIN) {
		s->in_wanted = true;
		streams_tick();
		return r;
	}
	if (r == 0 && s->terminal)
		return -EIO; /* it was hung up */
	return r < 0 ? -EIO : r;
}

long plat_stdio_write(int fd, const void *buf, size_t len)
{
	struct stream *s = &streams[fd];
	long r;

	if (s->kind == PLAT_STDIO_CLOSED)
		return -EIO;
	do {
		if (s->how == HOW_SOCKET)
			r = host_call6(HOST_sendto, (uint64_t)s->fd, HP(buf), len, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		else if (s->how == HOW_POLL && !ready(s->fd, POLLOUT))
			r = -EAGAIN;
		else if (s->how == HOW_POLL)
			r = host_write(s->fd, buf, MIN(len, s->kind == PLAT_STDIO_TTY ? POLL_CHUNK_TTY : POLL_CHUNK_PIPE));
		else
			r = host_write(s->fd, buf, len);
	} while (r == -EINTR);
	if (r == -EAGAIN) {
		s->out_wanted = true;
		streams_tick();
	}
	return r;
}

static long file_stat(int fd, struct stdfile_stat *st)
{
	long r = host_fstat(fd, (struct host_stat *)st);

	return r < 0 ? r : host_call3(HOST_lseek, (uint64_t)fd, 0, SEEK_CUR);
}

static long file_append(int fd, bool on)
{
	long flags = host_fcntl(fd, F_GETFL, 0);

	return host_fcntl(fd, F_SETFL, (uint64_t)(on ? flags | O_APPEND : flags & ~O_APPEND));
}

/* pwrite(2) writes where the flag says, which is for our own writes at the position: others bring their own. */
static long file_write_at(uint64_t fd, const struct stdfile_call *c, const void *buf)
{
	bool end = c->at == STDFILE_END, other = !(host_fcntl((int)fd, F_GETFL, 0) & O_APPEND) == end;
	long r;

	if (other)
		file_append((int)fd, end);
	r = host_call4(HOST_pwrite64, fd, HP(buf), c->len, end ? 0 : (uint64_t)c->at);
	if (other)
		file_append((int)fd, !end);
	return r;
}

static long file_path(int fd, char *buf, size_t len)
{
	char path[] = "/proc/self/fd/0";

	path[sizeof(path) - 2] = (char)('0' + fd);
	return host_call4(HOST_readlinkat, (uint64_t)AT_FDCWD, HP(path), HP(buf), len);
}

static long file_time(int fd, const struct stdfile_call *c)
{
	struct host_timespec t[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	t[c->op == STDFILE_MTIME] = (struct host_timespec){ c->at, (int64_t)c->len };
	return host_call4(HOST_utimensat, (uint64_t)fd, 0, HP(t), 0);
}

static int again[3]; /* the second open file, STDFILE_REOPEN; 0: none */

static long file_reopen(uint32_t fd)
{
	int r = reopen((int)fd, O_RDWR);

	again[fd] = r < 0 ? 0 : r;
	return r < 0 ? -EACCES : 0;
}

long plat_stdio_call(const struct stdfile_call *c, void *buf)
{
	int fd = streams[c->fd].fd;
	uint64_t ufd = (uint64_t)fd, other = again[c->fd] ? (uint64_t)again[c->fd] : ufd, at = (uint64_t)c->at;
	bool here = c->at == STDFILE_HERE;
	long r = -EINVAL;

	do {
		switch (STDFILE_OP(c->op)) {
		case STDFILE_READ: r = host_call4(here ? HOST_read : HOST_pread64, here ? ufd : other, HP(buf), c->len, at); break;
		case STDFILE_WRITE: r = here ? host_write(fd, buf, c->len) : file_write_at(other, c, buf); break;
		case STDFILE_SEEK: r = host_call3(HOST_lseek, ufd, at, c->len); break;
		case STDFILE_TRUNCATE: r = host_call3(HOST_ftruncate, other, at, 0); break;
		case STDFILE_SYNC: r = host_call3(c->len ? HOST_fdatasync : HOST_fsync, ufd, 0, 0); break;
		case STDFILE_APPEND: r = file_append(fd, c->len); break;
		case STDFILE_STAT: r = file_stat(fd, buf); break;
		case STDFILE_PATH: r = file_path(fd, buf, c->len); break;
		case STDFILE_CHMOD: r = host_call3(HOST_fchmod, ufd, at, 0); break;
		case STDFILE_CHOWN: r = host_call3(HOST_fchown, ufd, at, c->len); break;
		case STDFILE_ATIME: case STDFILE_MTIME: r = file_time(fd, c); break;
		case STDFILE_REOPEN: r = file_reopen(c->fd); break;
		case STDFILE_FALLOC: r = host_call4(HOST_fallocate, other, STDFILE_MODE(c->op), at, c->len); break;
		}
	} while (r == -EINTR);
	return r == -EAGAIN ? -EIO : r; /* as a mandatory lock would */
}

/* ---- readiness ---- */

bool streams_waiting(void)
{
	for (int i = 0; i < 3; i++)
		if (streams[i].in_wanted || streams[i].out_wanted)
			return true;
	return false;
}

static unsigned pollfds(struct host_pollfd *fds)
{
	unsigned n = 0;

	for (int i = 0; i < 3; i++) {
		int events = (streams[i].in_wanted ? POLLIN : 0) | (streams[i].out_wanted ? POLLOUT : 0);

		if (events)
			fds[n++] = (struct host_pollfd){ .fd = streams[i].fd, .events = (int16_t)events };
	}
	return n;
}

/* Whoever waited tries again, and says so again if it was in vain. */
static bool polled(const struct host_pollfd *fds, unsigned n)
{
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		for (int k = 0; k < 3 && fds[i].revents; k++) {
			if (streams[k].fd != fds[i].fd)
				continue;
			streams[k].in_wanted &= !(fds[i].revents & ~POLLOUT);
			streams[k].out_wanted &= !(fds[i].revents & ~POLLIN);
			any = true;
		}
	}
	return any;
}

bool streams_check(void)
{
	struct host_pollfd fds[3];
	struct host_timespec now = { 0 };
	unsigned n = pollfds(fds);

	return host_ppoll(fds, n, &now) > 0 && polled(fds, n);
}

/* The timer is armed for the next deadline, so a signal ends the wait in time. */
void plat_idle(void)
{
	struct host_pollfd fds[3];
	unsigned irqs = 0;

	while (!irqs) {
		unsigned n = pollfds(fds);

		if (n)
			time_tick(TIME_NEVER);
		if (idle_wait(fds, n, NULL) > 0 && polled(fds, n))
			irqs |= IRQ_STDIO;
		if (cpu_state.in_kernel)
			irqs |= irq_take();
	}
	if (streams_waiting())
		streams_tick();
	trap_irq(irqs);
}

void plat_poll(void)
{
	unsigned irqs = cpu_state.in_kernel ? irq_take() : 0;

	if (irqs)
		trap_irq(irqs);
}

/* ---- signals and the terminal's size ---- */

void signal_forward(int sig)
{
	__atomic_fetch_or(&signals, 1ul << (sig - 1), __ATOMIC_RELAXED);
}

int plat_signal_next(void)
{
	uint64_t pending = __atomic_load_n(&signals, __ATOMIC_RELAXED);
	int n;

	if (!pending)
		return 0;
	n = __builtin_ctzl(pending);
	__atomic_fetch_and(&signals, ~(1ul << n), __ATOMIC_RELAXED);
	return n + 1;
}

void plat_tty_size(uint16_t *rows, uint16_t *cols)
{
	struct host_winsize ws;

	*rows = *cols = 0;
	for (int i = 0; i < 3; i++) {
		if (streams[i].kind == PLAT_STDIO_TTY && host_ioctl(streams[i].fd, TIOCGWINSZ, &ws) == 0) {
			*rows = ws.row;
			*cols = ws.col;
			return;
		}
	}
}

/* ---- messages ---- */

/* 0, or the error that ended it. */
static long write_all(int fd, const char *text, size_t len)
{
	while (len) {
		long r = host_write(fd, text, len);

		if (r == -EAGAIN) { /* the description is somebody's non-blocking one */
			struct host_pollfd p = { .fd = fd, .events = POLLOUT };

			host_ppoll(&p, 1, NULL);
		} else if (r < 0 && r != -EINTR) {
			return r;
		}
		text += r > 0 ? r : 0;
		len -= r > 0 ? (size_t)r : 0;
	}
	return 0;
}

/* A terminal is in raw mode: lines need their carriage return. */
static long write_text(int fd, bool tty, const char *text, size_t len)
{
	while (tty && len) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;

		write_all(fd, text, n);
		if (nl)
			write_all(fd, "\r\n", 2);
		n += nl != NULL;
		text += n;
		len -= n;
	}
	return write_all(fd, text, len);
}

void plat_log(const char *text, size_t len)
{
	write_text(options.log_fd, log_is_tty, text, len);
}

bool trace_error(void) { return trace_lost; }

void plat_trace(const char *text, size_t len)
{
	long r;

	if (trace_lost)
		return;
	if (options.trace_fd < 0) {
		plat_log(text, len);
		return;
	}
	r = write_text(options.trace_fd, trace_is_tty, text, len);
	if (r == 0 || r == -EPIPE) /* which nobody reads */
		return;
	trace_lost = true;
	kprintf("doppel: the trace file: %s; the rest of the trace is lost\n", errno_text((int)-r));
}
