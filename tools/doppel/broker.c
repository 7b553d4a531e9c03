/* The broker: carries standard streams, window size, signals and the wait status between our descriptors and the guest,
 * as frames of plat/ctl.h over one socket.
 *
 * One loop over poll(2). Nothing blocks: output that our stdout does not take yet waits in a buffer and the guest's frames
 * wait in the socket meanwhile. Pipes are written in pieces of PIPE_BUF after POLLOUT, which never block; descriptors are
 * shared with others, so O_NONBLOCK is not touched.
 *
 * A guest that cannot go on must not keep us: QEMU's monitor says when it has stopped the guest (an internal error of KVM, a
 * full disk), and a guest that does not even take a signal meant to end it is given up. Output that could not be written
 * (a full disk; the guest has long gone on) is told and fails the run. */
#include "tools/doppel/doppel.h"

#include "plat/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

struct out {
	int fd;
	bool regular, closed;
	int error;  /* why bytes were lost, except that nobody reads them */
	char *data; /* pending bytes: data[off … len) */
	size_t off, len, cap;
};

enum { TRACE = 3, OUTS = 4 };

#define DEAF_MS 5000 /* how long a guest may leave a signal to end it untaken */

struct broker {
	const struct run *run;
	int ctl, sig, monitor;
	char answer[1024];   /* the monitor's, as far as it has come */
	size_t answer_len;
	int end_signal;      /* the last signal that asks for the end, and when it was sent (ms) */
	long end_sent;
	struct out out[4];   /* 1: stdout, 2: stderr, 0: the terminal, when only fd 0 is one; TRACE: trace file */
	struct out to_guest; /* frames not yet taken by the socket */
	char *in;            /* bytes of frames not yet complete */
	size_t in_len, in_cap;
	uint32_t credit;     /* bytes of stdin the guest accepts */
	bool stdin_eof;
	bool terminal;       /* stdin is one: its end is a hang-up */
	bool file[3];        /* a regular file: the guest asks (CTL_CALL) */
	bool done;
	int status;
};

static void out_put(struct out *o, const void *p, size_t n)
{
	if (o->off == o->len)
		o->off = o->len = 0;
	if (o->len + n > o->cap) {
		memmove(o->data, o->data + o->off, o->len - o->off);
		o->len -= o->off;
		o->off = 0;
	}
	if (o->len + n > o->cap) {
		o->cap = (o->len + n) * 2;
		o->data = xrealloc(o->data, o->cap);
	}
	memcpy(o->data + o->len, p, n);
	o->len += n;
}

static bool out_empty(const struct out *o) { return o->off == o->len; }

static void send_frame(struct broker *b, uint32_t type, const void *p, size_t n)
{
	struct ctl_header h = { type, (uint32_t)n };

	out_put(&b->to_guest, &h, sizeof(h));
	out_put(&b->to_guest, p, n);
}

static void send_winsize(struct broker *b)
{
	struct winsize ws;
	uint16_t v[2] = { 0, 0 };

	for (int fd = 0; fd < 3; fd++)
		if (!ioctl(fd, TIOCGWINSZ, &ws)) {
			v[0] = ws.ws_row, v[1] = ws.ws_col;
			break;
		}
	send_frame(b, CTL_WINSIZE, v, sizeof(v)); /* a terminal by -t alone has none */
}

/* Writes what o's descriptor takes without blocking. */
static void out_flush(struct broker *b, int i)
{
	struct out *o = &b->out[i];

	while (o->fd >= 0 && !out_empty(o) && !o->closed) {
		struct pollfd p = { o->fd, POLLOUT, 0 };

		if (!o->regular && (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR | POLLHUP))))
			return;
		size_t n = o->len - o->off;
		ssize_t w = write(o->fd, o->data + o->off, o->regular || n < PIPE_BUF ? n : PIPE_BUF);

		if (w >= 0) {
			o->off += (size_t)w;
		} else if (errno != EINTR && errno != EAGAIN) {
			o->closed = true;
			o->error = errno == EPIPE ? 0 : errno;
			if (i == 1 || i == 2)
				send_frame(b, CTL_CLOSED, (uint8_t[]){ (uint8_t)i, (uint8_t)o->error }, 2);
		} else if (errno == EAGAIN) {
			return;
		}
	}
	if (o->closed)
		o->off = o->len = 0;
}

/* Two outputs may be the same file or pipe: what one holds goes before what comes for the other. */
static void out_take(struct broker *b, int i, const void *p, size_t n)
{
	int other = i == 1 ? 2 : 1;

	if (!out_empty(&b->out[other]))
		out_flush(b, other);
	out_put(&b->out[i], p, n);
}

/* ---- standard streams that are files (plat/stdfile.h) ---- */

static long file_append(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? flags : fcntl(fd, F_SETFL, on ? flags | O_APPEND : flags & ~O_APPEND);
}

/* pwrite(2) writes where the flag says, which is for the guest's writes at the position: others bring their own. */
static long file_write_at(int fd, const struct stdfile_call *c, const void *buf)
{
	bool end = c->at == STDFILE_END, other = !(fcntl(fd, F_GETFL) & O_APPEND) == end;
	long r;
	int err;

	if (other)
		file_append(fd, end);
	r = pwrite(fd, buf, c->len, end ? 0 : c->at);
	err = errno;
	if (other)
		file_append(fd, !end);
	errno = err;
	return r;
}

static long file_stat(int fd, void *buf)
{
	_Static_assert(sizeof(struct stat) == sizeof(struct stdfile_stat), "struct stat");

	return fstat(fd, buf) ? -1 : lseek(fd, 0, SEEK_CUR);
}

static long file_path(int fd, char *buf, size_t len)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return readlink(name, buf, len);
}

static long file_time(int fd, const struct stdfile_call *c)
{
	struct timespec set = { c->at, (long)c->len }, keep = { 0, UTIME_OMIT };

	return futimens(fd, c->op == STDFILE_ATIME ? (struct timespec[]){ set, keep } : (struct timespec[]){ keep, set });
}

static int again[3]; /* the second open file, STDFILE_REOPEN; 0: none */

static long file_reopen(uint32_t fd)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "/proc/self/fd/%u", fd);
	r = open(name, O_RDWR | O_CLOEXEC);
	again[fd] = r < 0 ? 0 : r;
	return r < 0 ? r : 0;
}

/* The result, or -1 with errno. buf has what is written, or takes what is read. */
static long file_call(const struct stdfile_call *c, void *buf)
{
	int fd = (int)c->fd, other = again[fd] ? again[fd] : fd;

	switch (STDFILE_OP(c->op)) {
	case STDFILE_READ: return c->at == STDFILE_HERE ? read(fd, buf, c->len) : pread(other, buf, c->len, c->at);
	case STDFILE_WRITE: return c->at == STDFILE_HERE ? write(fd, buf, c->len) : file_write_at(other, c, buf);
	case STDFILE_SEEK: return lseek(fd, c->at, (int)c->len);
	case STDFILE_TRUNCATE: return ftruncate(other, c->at);
	case STDFILE_SYNC: return c->len ? fdatasync(fd) : fsync(fd);
	case STDFILE_APPEND: return file_append(fd, c->len);
	case STDFILE_STAT: return file_stat(fd, buf);
	case STDFILE_PATH: return file_path(fd, buf, c->len);
	case STDFILE_CHMOD: return fchmod(fd, (mode_t)c->at);
	case STDFILE_CHOWN: return fchown(fd, (uid_t)c->at, (gid_t)c->len);
	case STDFILE_ATIME: case STDFILE_MTIME: return file_time(fd, c);
	case STDFILE_REOPEN: return file_reopen(c->fd);
	case STDFILE_FALLOC: return fallocate(other, (int)STDFILE_MODE(c->op), c->at, (off_t)c->len);
	}
	errno = EINVAL;
	return -1;
}

static void take_call(struct broker *b, const char *p, uint32_t n)
{
	struct {
		int64_t result;
		char data[STDFILE_MAX];
	} reply;
	struct stdfile_call c;
	size_t out = 0;

	if (n < sizeof(c) || n - sizeof(c) > STDFILE_MAX)
		die(EXIT_DOPPEL, "the guest sent a call of %u bytes", n);
	memcpy(&c, p, sizeof(c));
	memcpy(reply.data, p + sizeof(c), n - sizeof(c));
	if (c.op == STDFILE_WRITE)
		c.len = n - sizeof(c);
	if (c.op == STDFILE_READ || c.op == STDFILE_PATH)
		c.len = c.len < STDFILE_MAX ? c.len : STDFILE_MAX;
	out_flush(b, 1);
	out_flush(b, 2);
	do {
		errno = EBADF;
		reply.result = c.fd < 3 && b->file[c.fd] ? file_call(&c, reply.data) : -1;
	} while (reply.result < 0 && errno == EINTR);
	if (reply.result < 0)
		reply.result = -(errno == EAGAIN ? EIO : errno);
	else if (c.op == STDFILE_READ || c.op == STDFILE_PATH)
		out = (size_t)reply.result;
	else if (c.op == STDFILE_STAT)
		out = sizeof(struct stdfile_stat);
	send_frame(b, CTL_REPLY, &reply, sizeof(reply.result) + out);
}

/* ---- frames from the guest ---- */

static void take_frame(struct broker *b, uint32_t type, const char *p, uint32_t n)
{
	uint32_t v = 0;

	if (n >= sizeof(v))
		memcpy(&v, p, sizeof(v));
	switch (type) {
	case CTL_STDOUT: out_take(b, 1, p, n); break;
	case CTL_STDERR: case CTL_LOG: out_take(b, 2, p, n); break;
	case CTL_TTY: out_put(&b->out[0], p, n); break;
	case CTL_TRACE: out_put(&b->out[b->out[TRACE].fd >= 0 ? TRACE : 2], p, n); break;
	case CTL_CREDIT: b->credit += v; break;
	case CTL_CALL: take_call(b, p, n); break;
	case CTL_UNREAD:
		if (b->file[0])
			lseek(0, -(off_t)v, SEEK_CUR);
		break;
	case CTL_EXIT:
		b->done = true;
		b->status = v == CTL_EXIT_PANIC ? GUEST_PANIC : (int)v;
		break;
	default:
		die(EXIT_DOPPEL, "the guest sent an unknown frame (type %u, %u bytes)", type, n);
	}
}

static void take_frames(struct broker *b)
{
	size_t at = 0;

	while (b->in_len - at >= sizeof(struct ctl_header)) {
		struct ctl_header h;

		memcpy(&h, b->in + at, sizeof(h));
		if (h.len > CTL_FRAME_MAX)
			die(EXIT_DOPPEL, "the guest sent a frame of %u bytes", h.len);
		if (b->in_len - at < sizeof(h) + h.len)
			break;
		take_frame(b, h.type, b->in + at + sizeof(h), h.len);
		at += sizeof(h) + h.len;
	}
	memmove(b->in, b->in + at, b->in_len - at);
	b->in_len -= at;
}

/* False at the end of the channel. */
static bool read_guest(struct broker *b)
{
	if (b->in_cap - b->in_len < 65536) {
		b->in_cap = b->in_len + 262144;
		b->in = xrealloc(b->in, b->in_cap);
	}
	ssize_t n = recv(b->ctl, b->in + b->in_len, b->in_cap - b->in_len, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	if (n > 0) {
		b->in_len += (size_t)n;
		take_frames(b);
	}
	return true;
}

static void write_guest(struct broker *b)
{
	struct out *o = &b->to_guest;
	ssize_t n = send(b->ctl, o->data + o->off, o->len - o->off, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		o->off += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		o->off = o->len; /* gone: read_guest() will see the end */
}

static void read_stdin(struct broker *b)
{
	char buf[65536];
	ssize_t n = read(0, buf, b->credit < sizeof(buf) ? b->credit : sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		b->stdin_eof = true;
		n = 0;
		if (b->terminal)
			send_frame(b, CTL_HANGUP, NULL, 0);
	}
	send_frame(b, CTL_STDIN, buf, (size_t)n);
	b->credit -= (uint32_t)n;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void read_signal(struct broker *b)
{
	struct signalfd_siginfo si;

	if (read(b->sig, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH)
		send_winsize(b);
	send_frame(b, CTL_SIGNAL, &si.ssi_signo, 4);
	if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT || si.ssi_signo == SIGHUP || si.ssi_signo == SIGQUIT) {
		b->end_signal = (int)si.ssi_signo;
		b->end_sent = now_ms();
	}
}

/* After a signal that asks for the end: has the guest taken it within the time? A kernel that lives takes every frame at
 * once, whatever its program does. (SIOCOUTQ: bytes that QEMU has not read, and it reads what the guest has room for.) */
static bool deaf(struct broker *b)
{
	int unread = 0;

	if (!b->end_sent)
		return false;
	if (out_empty(&b->to_guest) && !ioctl(b->ctl, SIOCOUTQ, &unread) && !unread) {
		b->end_sent = 0;
		return false;
	}
	return now_ms() - b->end_sent > DEAF_MS;
}

/* ---- QEMU's monitor (docs/interop/qmp-spec) ---- */

static void monitor_say(struct broker *b, const char *command)
{
	if (send(b->monitor, command, strlen(command), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		b->monitor = -1;
}

static void monitor_open(struct broker *b)
{
	monitor_say(b, "{\"execute\":\"qmp_capabilities\"}\n");
}

/* One line from the monitor: true when the guest was stopped by QEMU itself. */
static bool monitor_line(struct broker *b, const char *line)
{
	const char *status = strstr(line, "\"status\": \"");

	if (strstr(line, "\"STOP\""))
		monitor_say(b, "{\"execute\":\"query-status\"}\n");
	if (!status || strstr(line, "\"running\": true"))
		return false;
	status += strlen("\"status\": \"");
	size_t n = strcspn(status, "\"");

	/* Stopped by a debugger or another monitor, or not started yet: that goes on. */
	if (strncmp(status, "internal-error", n) && strncmp(status, "io-error", n) && strncmp(status, "guest-panicked", n) &&
	    strncmp(status, "shutdown", n) && strncmp(status, "watchdog", n))
		return false;
	warn_("QEMU has stopped the guest: %.*s", (int)n, status);
	return true;
}

static bool read_monitor(struct broker *b)
{
	ssize_t n = recv(b->monitor, b->answer + b->answer_len, sizeof(b->answer) - 1 - b->answer_len, MSG_DONTWAIT);
	char *line = b->answer, *end;
	bool stopped = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		b->monitor = -1;
		return false;
	}
	b->answer_len += (size_t)n;
	b->answer[b->answer_len] = 0;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		stopped |= monitor_line(b, line);
	}
	b->answer_len -= (size_t)(line - b->answer);
	memmove(b->answer, line, b->answer_len);
	if (b->answer_len == sizeof(b->answer) - 1)
		b->answer_len = 0; /* no line of interest is that long */
	return stopped;
}

static void open_signals(struct broker *b)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	b->sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void out_open(struct out *o, int fd)
{
	struct stat st;

	o->fd = fd;
	o->regular = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
}

static void greet(struct broker *b)
{
	size_t len;
	void *blob = boot_blob(b->run, &len);
	uint8_t kinds[3];

	for (int fd = 0; fd < 3; fd++) {
		kinds[fd] = stdio_byte(b->run, fd);
		b->file[fd] = stdio_kind(b->run, fd) == STDIO_FILE;
	}
	b->stdin_eof = stdio_kind(b->run, 0) != STDIO_STREAM && stdio_kind(b->run, 0) != STDIO_TTY;
	send_frame(b, CTL_BOOT, blob, len);
	send_frame(b, CTL_STDIO, kinds, sizeof(kinds));
	send_winsize(b);
	free(blob);
}

/* The guest's stdin waits for no more than it granted, its output for us while we hold more than a little. */
static void poll_once(struct broker *b, bool *alive)
{
	/* A program that is to end must be heard, though nobody takes its output. */
	bool backlog = !b->end_signal && (b->out[1].len - b->out[1].off > 262144 || b->out[2].len - b->out[2].off > 262144);
	struct pollfd p[8] = {
		{ b->ctl, (short)((backlog ? 0 : POLLIN) | (out_empty(&b->to_guest) ? 0 : POLLOUT)), 0 },
		{ b->sig, POLLIN, 0 },
		{ b->stdin_eof || !b->credit || b->to_guest.len - b->to_guest.off > 262144 ? -1 : 0, POLLIN, 0 },
		{ out_empty(&b->out[1]) ? -1 : 1, POLLOUT, 0 },
		{ out_empty(&b->out[2]) ? -1 : 2, POLLOUT, 0 },
		{ out_empty(&b->out[0]) ? -1 : 0, POLLOUT, 0 },
		{ out_empty(&b->out[TRACE]) || b->out[TRACE].regular ? -1 : b->out[TRACE].fd, POLLOUT, 0 },
		{ b->monitor, POLLIN, 0 },
	};

	if (poll(p, 8, b->end_sent ? 100 : -1) < 0)
		return;
	if (p[7].revents && read_monitor(b)) {
		b->done = true;
		b->status = GUEST_STOPPED;
	}
	if (deaf(b)) {
		warn_("signal %d: the guest does not take it and is ended", b->end_signal);
		b->done = true;
		b->status = GUEST_DEAF;
	}
	if (p[1].revents)
		read_signal(b);
	if (p[2].revents)
		read_stdin(b);
	if (p[0].revents & POLLOUT)
		write_guest(b);
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
		*alive = read_guest(b);
	for (int i = 0; i < OUTS; i++)
		out_flush(b, i);
}

static bool all_flushed(const struct broker *b)
{
	for (int i = 0; i < OUTS; i++)
		if (!out_empty(&b->out[i]))
			return false;
	return true;
}

/* What the guest wrote before it ended must arrive, however slowly it is taken; unless a signal asks for the end now. */
static void flush_all(struct broker *b)
{
	struct signalfd_siginfo si;

	/* As when a process is killed: what does not fit into the pipe now is lost with it. */
	if (b->end_signal && WIFSIGNALED(b->status))
		return;
	while (!all_flushed(b)) {
		struct pollfd p[5] = { { b->sig, POLLIN, 0 } };

		for (int i = 0; i < OUTS; i++)
			p[i + 1] = (struct pollfd){ out_empty(&b->out[i]) ? -1 : b->out[i].fd, POLLOUT, 0 };
		poll(p, 5, 100);
		for (int i = 0; i < OUTS; i++)
			out_flush(b, i);
		if (p[0].revents && read(b->sig, &si, sizeof(si)) == sizeof(si) && si.ssi_signo != SIGWINCH) {
			b->status = (int)si.ssi_signo;
			return;
		}
	}
}

/* The program was told that its output was written; it was not. */
static void tell_losses(struct broker *b)
{
	static const char *const names[OUTS] = { "the terminal", "standard output", "standard error", "the trace file" };

	for (int i = 0; i < OUTS; i++)
		if (b->out[i].error) {
			warn_("%s: %s; %s is lost", names[i], strerror(b->out[i].error),
			      i == TRACE ? "the rest of the trace" : "output of the program");
			if (b->status == 0)
				b->status = EXIT_DOPPEL << 8;
		}
}

int broker_run(const struct run *r, int ctl_fd, int monitor_fd)
{
	struct broker b = { .run = r, .ctl = ctl_fd, .monitor = monitor_fd, .credit = CTL_STDIN_CREDIT, .status = GUEST_GONE };
	bool alive = true;
	int trace = -1;

	if (r->trace_file && (trace = open(r->trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
		die(EXIT_DOPPEL, "%s: %s", r->trace_file, strerror(errno));
	b.terminal = isatty(0);
	out_open(&b.out[0], 0);
	out_open(&b.out[TRACE], trace);
	out_open(&b.out[1], 1);
	out_open(&b.out[2], 2);
	open_signals(&b);
	greet(&b);
	if (b.monitor >= 0)
		monitor_open(&b);
	while (alive && !b.done)
		poll_once(&b, &alive);
	flush_all(&b);
	tell_losses(&b);
	if (trace >= 0)
		close(trace);
	close(b.sig);
	return b.status;
}
