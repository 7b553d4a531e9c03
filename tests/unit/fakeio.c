/* The fake platform's devices: standard streams kept in memory, forwarded signals, the terminal's size, and a 9P transport
 * whose server is a function of the test. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/printf.h"
#include "shim/abi/errno.h"
#include "tests/unit/fakeplat.h"

extern int *__errno_location(void); /* <errno.h> and <fcntl.h> would clash with the kernel's */
extern int fcntl(int fd, int cmd, ...);
extern int fallocate(int fd, int mode, long at, long len);
static int host_errno(void) { return *__errno_location(); }

/* ---- standard streams, signals, terminal ---- */

struct fake_stream {
	char *data;
	size_t len, room;
	bool closed;
};

enum plat_stdio_kind fake_stdio_kind[3];
static char *stdin_data;
static size_t stdin_len, stdin_off;
static bool stdin_end, stdin_hung;
static struct fake_stream streams[3];
static int signals[64];
static unsigned nsignals;
static uint16_t tty_rows, tty_cols;
static int file_fd[3], file_flags[3]; /* fd + 1 */
static bool file_asked;
int fake_stdio_same[3];
bool fake_file_slow;
long fake_file_fail;

enum plat_stdio_kind plat_stdio_kind(int fd)
{
	return fake_stdio_kind[fd];
}

void fake_stdin_put(const void *data, size_t len)
{
	stdin_data = realloc(stdin_data, stdin_len + len + 1);
	memcpy(stdin_data + stdin_len, data, len);
	stdin_len += len;
	fake_irq(IRQ_STDIO);
}

void fake_stdin_eof(void)
{
	stdin_end = true;
	fake_irq(IRQ_STDIO);
}

void fake_stdin_hangup(void)
{
	stdin_hung = true;
	fake_irq(IRQ_STDIO);
}

long plat_stdio_read(void *buf, size_t len)
{
	size_t n = stdin_len - stdin_off;

	if (n == 0)
		return stdin_hung ? -EIO : stdin_end ? 0 : -EAGAIN;
	n = n < len ? n : len;
	memcpy(buf, stdin_data + stdin_off, n);
	stdin_off += n;
	return (long)n;
}

/* ---- files ---- */

int plat_stdio_same(int fd) { return fake_stdio_same[fd] < fd ? fake_stdio_same[fd] : fd; }
int plat_stdio_flags(int fd) { return file_flags[fd]; }

int fake_file(int fd, int flags, const void *data, size_t len)
{
	fake_stdio_kind[fd] = PLAT_STDIO_FILE;
	if (file_fd[fd])
		close(file_fd[fd] - 1);
	file_fd[fd] = memfd_create("fake", 0) + 1;
	file_flags[fd] = flags;
	if (write(file_fd[fd] - 1, data, len) != (ssize_t)len || lseek(file_fd[fd] - 1, 0, SEEK_SET))
		abort();
	return file_fd[fd] - 1;
}

static long file_failure(void)
{
	long r = fake_file_fail;

	fake_file_fail = 0;
	return r;
}

static long file_time(int fd, const struct stdfile_call *c)
{
	struct timespec t[2] = { { 0, 0x3ffffffe }, { 0, 0x3ffffffe } }; /* UTIME_OMIT */

	t[c->op == STDFILE_MTIME] = (struct timespec){ c->at, (long)c->len };
	return futimens(fd, t);
}

static long file_write_at(int fd, const struct stdfile_call *c, const void *buf)
{
	int flags = fcntl(fd, 3 /* F_GETFL */), append = 02000;
	bool end = c->at == STDFILE_END;
	long r;

	fcntl(fd, 4 /* F_SETFL */, end ? flags | append : flags & ~append);
	r = pwrite(fd, buf, c->len, end ? 0 : c->at);
	fcntl(fd, 4, flags);
	return r;
}

static long file_call(const struct stdfile_call *c, void *buf)
{
	int fd = file_fd[c->fd] - 1;

	switch (STDFILE_OP(c->op)) {
	case STDFILE_READ: return c->at == STDFILE_HERE ? read(fd, buf, c->len) : pread(fd, buf, c->len, c->at);
	case STDFILE_WRITE: return c->at == STDFILE_HERE ? write(fd, buf, c->len) : file_write_at(fd, c, buf);
	case STDFILE_SEEK: return lseek(fd, c->at, (int)c->len);
	case STDFILE_TRUNCATE: return ftruncate(fd, c->at);
	case STDFILE_SYNC: return 0;
	case STDFILE_APPEND: return fcntl(fd, 4 /* F_SETFL */, (int)c->len);
	case STDFILE_STAT: return fstat(fd, buf) ? -1 : lseek(fd, 0, SEEK_CUR);
	case STDFILE_PATH: return (long)(stpcpy(buf, "/nowhere") - (char *)buf);
	case STDFILE_CHMOD: return fchmod(fd, (uint32_t)c->at);
	case STDFILE_CHOWN: return fchown(fd, (uint32_t)c->at, (uint32_t)c->len);
	case STDFILE_ATIME: case STDFILE_MTIME: return file_time(fd, c);
	case STDFILE_REOPEN: return 0;
	case STDFILE_FALLOC: return fallocate(fd, (int)STDFILE_MODE(c->op), c->at, (long)c->len);
	}
	return -1;
}

long plat_stdio_call(const struct stdfile_call *c, void *buf)
{
	long r;

	if (fake_file_slow && !file_asked) {
		file_asked = true;
		fake_irq(IRQ_STDIO);
		return -EAGAIN;
	}
	file_asked = false;
	if (fake_file_fail)
		return file_failure();
	r = file_call(c, buf);
	return r < 0 ? -host_errno() : r;
}

long plat_stdio_write(int fd, const void *buf, size_t len)
{
	struct fake_stream *s = &streams[fd];

	if (fake_stdio_kind[fd] == PLAT_STDIO_FILE && s->room)
		return fake_file_fail ? file_failure() : write(file_fd[fd] - 1, buf, len);
	if (s->closed)
		return -EPIPE;
	if (len > s->room)
		len = s->room;
	if (len == 0)
		return -EAGAIN;
	s->data = realloc(s->data, s->len + len + 1);
	memcpy(s->data + s->len, buf, len);
	s->len += len;
	s->data[s->len] = '\0';
	if (s->room != SIZE_MAX)
		s->room -= len;
	return (long)len;
}

const char *fake_out_data(int fd, size_t *len)
{
	if (len)
		*len = streams[fd].len;
	return streams[fd].data ? streams[fd].data : "";
}

void fake_out_reset(int fd)
{
	free(streams[fd].data);
	streams[fd] = (struct fake_stream){ .room = SIZE_MAX };
}

void fake_out_room(int fd, size_t room)
{
	streams[fd].room = room;
	if (room)
		fake_irq(IRQ_STDIO);
}

void fake_out_close(int fd)
{
	streams[fd].closed = true;
	fake_irq(IRQ_STDIO);
}

void fake_signal(int sig)
{
	signals[nsignals++] = sig;
	fake_irq(IRQ_SIGNAL);
}

int plat_signal_next(void)
{
	int sig = signals[0];

	if (nsignals == 0)
		return 0;
	memmove(signals, signals + 1, --nsignals * sizeof(*signals));
	return sig;
}

void fake_tty_resize(uint16_t rows, uint16_t cols)
{
	tty_rows = rows;
	tty_cols = cols;
	fake_irq(IRQ_SIGNAL);
}

void plat_tty_size(uint16_t *rows, uint16_t *cols)
{
	*rows = tty_rows;
	*cols = tty_cols;
}

/* ---- 9P ---- */

#define P9_DEFERRED 64

static const char *p9_tag;
static fake_9p_fn *p9_fn;
static bool p9_deferred;
static struct plat_9p_req *p9_queue[P9_DEFERRED];
static unsigned p9_queued;

void fake_9p(const char *tag, fake_9p_fn *fn, bool deferred)
{
	p9_tag = tag;
	p9_fn = fn;
	p9_deferred = deferred;
}

int plat_9p_find(const char *tag)
{
	return p9_tag && strcmp(tag, p9_tag) == 0 ? 0 : -ENODEV;
}

static void p9_answer(struct plat_9p_req *r)
{
	size_t len = 0, max = 0, n, off = 0;
	uint8_t *req, *reply;

	for (unsigned i = 0; i < r->nout; i++)
		len += r->out[i].len;
	for (unsigned i = 0; i < r->nin; i++)
		max += r->in[i].len;
	req = malloc(len + 1);
	reply = malloc(max + 1);
	for (unsigned i = 0; i < r->nout; off += r->out[i++].len)
		memcpy(req + off, r->out[i].base, r->out[i].len);
	n = p9_fn(req, len, reply, max);
	if (n > max)
		panic("fake 9P server: reply too long");
	r->in_len = n;
	off = 0;
	for (unsigned i = 0; i < r->nin && off < n; off += r->in[i++].len)
		memcpy(r->in[i].base, reply + off, n - off < r->in[i].len ? n - off : r->in[i].len);
	free(req);
	free(reply);
	r->done = true;
}

void fake_io_poll(void)
{
	unsigned n = p9_queued;

	if (n == 0)
		return;
	p9_queued = 0;
	for (unsigned i = 0; i < n; i++)
		p9_answer(p9_queue[i]);
	fake_irq(IRQ_9P);
}

int plat_9p_submit(int dev, struct plat_9p_req *req)
{
	req->done = false;
	if (dev != 0 || !p9_fn)
		return -EINVAL;
	if (!p9_deferred)
		p9_answer(req);
	else if (p9_queued == P9_DEFERRED)
		return -EAGAIN;
	else
		p9_queue[p9_queued++] = req;
	return 0;
}

void fake_io_reset(void)
{
	for (int fd = 0; fd < 3; fd++) {
		fake_out_reset(fd);
		fake_stdio_kind[fd] = PLAT_STDIO_STREAM;
		fake_stdio_same[fd] = fd;
		if (file_fd[fd])
			close(file_fd[fd] - 1);
		file_fd[fd] = 0;
	}
	free(stdin_data);
	stdin_data = NULL;
	stdin_len = stdin_off = 0;
	stdin_end = stdin_hung = false;
	fake_file_slow = file_asked = false;
	fake_file_fail = 0;
	nsignals = 0;
	tty_rows = tty_cols = 0;
	fake_9p(NULL, NULL, false);
	p9_queued = 0;
}
