/* Open files and file descriptors.
 *
 * Every kind of object is one source file that ends in its struct file_ops. A missing operation has one default error,
 * given here in brackets and applied in core/file/file.c, nowhere else. */
#ifndef CORE_FILE_FILE_H
#define CORE_FILE_FILE_H

#include "core/fs/vfs.h"
#include "core/mm/uio.h"
#include "core/wait.h"

struct poll_table;
struct seqbuf;
struct vma;

struct file_ops {
	/* pos is the file's own position or pread's; objects without one ignore it. Bytes or -errno; may sleep unless
	 * f->flags has O_NONBLOCK (-EAGAIN). Partial transfers return the count. An object has a position (and pread,
	 * pwrite) if it has `seek` other than file_seek_noop. For O_APPEND, *pos comes in as the inode's size; as the
	 * caller does not hold the inode's lock, write must set *pos = inode->size once it does. RLIMIT_FSIZE and the
	 * largest offset were checked against *pos and u->resid cut to fit. */
	long (*read)(struct file *f, struct uio *u, int64_t *pos);             /* [-EINVAL] */
	long (*write)(struct file *f, struct uio *u, int64_t *pos);            /* [-EINVAL] */
	/* The new position, which file_seek() then stores, or -errno. f->pos_lock is held. */
	int64_t (*seek)(struct file *f, int64_t off, int whence);              /* [-ESPIPE] */
	/* Ready events (POLLIN…); registers with pt (may be NULL) on the object's queues by poll_wait(). Never sleeps.
	 */
	unsigned (*poll)(struct file *f, struct poll_table *pt);               /* [POLLIN | POLLOUT] */
	/* arg: for commands whose argument is a pointer, a kernel copy of what it points to (copied in and out by the
	 * shim by the command's table entry); else the value itself in *(uint64_t *)arg. */
	long (*ioctl)(struct file *f, unsigned cmd, void *arg);                /* [-ENOTTY] */
	/* c->pos comes in as f->pos and goes back to it. f->pos_lock is held. */
	int (*readdir)(struct file *f, struct dir_ctx *c);                     /* [-ENOTDIR] */
	int (*mmap)(struct file *f, struct vma *v);                            /* [-ENODEV] */
	int (*fsync)(struct file *f, bool data_only);                          /* [-EINVAL] */
	int (*flush)(struct file *f);   /* at every close(2) of a descriptor */  /* [0] */
	void (*release)(struct file *f);/* last reference */                     /* [nothing] */
	void (*fdinfo)(struct file *f, struct seqbuf *out); /* /proc/…/fdinfo: further lines */ /* [none] */
	const char *anon_name;          /* "pipe", "anon_inode:[eventfd]": for /proc/self/fd links of nameless files */
};

struct file {
	const struct file_ops *ops;
	unsigned refs;
	int flags;          /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH, … */
	int64_t pos;
	struct mutex pos_lock;
	struct path path;   /* NULLs for nameless objects */
	struct inode *inode;/* reference held; never NULL: nameless objects get one of the anonymous super */
	void *priv;         /* the object's */
	struct list epoll_items; /* epoll registrations to drop with the file */
	int owner_pid;      /* F_SETOWN */
	unsigned ra_flags;  /* posix_fadvise: FILE_RANDOM… */
};

/* A file on ops with a new anonymous inode of type and mode `mode` (S_IFIFO | 0600 …); one reference. -ENOMEM, -ENFILE.
 */
int file_new_anon(const struct file_ops *ops, uint32_t mode, int flags, void *priv, struct file **out);
/* The same on an inode that exists (takes a reference of its own). */
int file_new_inode(const struct file_ops *ops, struct inode *inode, int flags, void *priv, struct file **out);
/* A file on a path's inode (references taken); ops as the inode says. Does not check permissions nor call open. Counts a
 * regular file opened for writing in inode->writers until the last file_put. */
int file_new_path(const struct path *p, int flags, struct file **out);
static inline struct file *file_get(struct file *f)
{
	f->refs++;
	return f;
}
void file_free(struct file *f); /* file_put's last step */
/* Release at the last reference; may sleep. */
static inline void file_put(struct file *f)
{
	if (--f->refs == 0)
		file_free(f);
}

/* The way of read(2) and write(2) after decoding: mode checks, position and its lock, O_APPEND, defaults. */
long file_read(struct file *f, struct uio *u);
long file_write(struct file *f, struct uio *u);
long file_pread(struct file *f, struct uio *u, int64_t pos);
long file_pwrite(struct file *f, struct uio *u, int64_t pos);
int64_t file_seek(struct file *f, int64_t off, int whence);
unsigned file_poll(struct file *f, struct poll_table *pt);
long file_ioctl(struct file *f, unsigned cmd, void *arg);
int file_readdir(struct file *f, struct dir_ctx *c);
int file_fsync(struct file *f, bool data_only);
/* Access mode 3 opens neither way (open(2), "ioctl only"). */
static inline bool file_readable(const struct file *f) { return (f->flags & 1) == 0; }
static inline bool file_writable(const struct file *f) { return (f->flags & 3) == 1 || (f->flags & 3) == 2; }
/* in → out through the kernel, for sendfile, copy_file_range, splice: bytes or -errno. A NULL position is the file's
 * own. What the output does not take stays in the input (regular files and pipes; of a socket up to 64 KiB may be
 * lost when the output fails). */
long file_copy(struct file *in, int64_t *in_pos, struct file *out, int64_t *out_pos, size_t len);
/* For `seek`: lseek succeeds and changes nothing, as on eventfd; such a file has no position. */
int64_t file_seek_noop(struct file *f, int64_t off, int whence);
/* For `seek` of objects with a plain position: SEEK_SET and SEEK_CUR, and the others against `size`. */
int64_t file_seek_size(struct file *f, int64_t off, int whence, uint64_t size);
/* Steps back over the n bytes last put or taken, so that they are transferred again. */
void uio_rewind(struct uio *u, size_t n);
/* Copies between a small kernel object and a user buffer that may have to be faulted in: 0 or -EFAULT. May sleep. */
int uio_put_all(struct uio *u, const void *src, size_t n);
int uio_take_all(struct uio *u, void *dst, size_t n);
/* A write that nobody will read: SIGPIPE for the current thread, and -EPIPE. */
long file_broken_pipe(void);
/* struct file objects alive now (/proc/sys/fs/file-nr). */
size_t file_count(void);

/* For objects in sleeping loops: true when f is non-blocking. */
static inline bool file_nonblock(const struct file *f) { return (f->flags & 04000) != 0; }

/* Regular files and directories on the page cache; used by every disk-like file system. */
extern const struct file_ops regular_file_ops, directory_file_ops;

/* ---- descriptor table (core/file/fdtable.c) ---- */
#define NR_OPEN_DEFAULT 64
#define NR_OPEN_MAX 1048576

struct fdtable {
	unsigned refs;
	struct file **files; /* [size] */
	uint64_t *open, *cloexec; /* bitmaps */
	unsigned size;
	unsigned next;       /* no free descriptor below */
};

int fdtable_new(struct fdtable **out);
int fdtable_copy(struct fdtable *from, struct fdtable **out);
void fdtable_put(struct fdtable *t); /* closes everything at the last reference */
void fdtable_close_on_exec(struct fdtable *t);

/* Of the current process. fd_get: with a reference (file_put it), or -EBADF; O_PATH files are -EBADF but for
 * fd_get_path. */
int fd_get(int fd, struct file **out);
int fd_get_path(int fd, struct file **out);
/* Lowest free descriptor ≥ min: installs f (consuming the caller's reference) and returns it; -EMFILE (the reference is
 * then still the caller's), -ENOMEM, -EINVAL when min is not below RLIMIT_NOFILE (F_DUPFD). */
int fd_install(struct file *f, int min, bool cloexec);
int fd_room(void); /* 0, or -EMFILE: there is no descriptor left */
int fd_install_at(struct file *f, int fd, bool cloexec); /* dup2: replaces; -EBADF beyond the limit */
int fd_close(int fd);
int fd_close_range(unsigned first, unsigned last, unsigned flags);
int fd_cloexec_get(int fd);
int fd_cloexec_set(int fd, bool on);

/* ---- objects ---- */
int pipe_new(int flags, struct file **rd, struct file **wr);
int fifo_open(struct inode *inode, struct file *f); /* sets ops; sleeps for the other end (fifo(7)) */
long pipe_splice_room(struct file *f);              /* F_GETPIPE_SZ */
int pipe_set_size(struct file *f, unsigned size);   /* F_SETPIPE_SZ: the new size */
int eventfd_new(unsigned initval, int flags, struct file **out);
int timerfd_new(int clock, int flags, struct file **out);
struct itimerspec64 {
	struct timespec64 interval, value;
};
int timerfd_set(struct file *f, int flags, const struct itimerspec64 *val, struct itimerspec64 *old);
int timerfd_get(struct file *f, struct itimerspec64 *out);
/* existing (NULL: a new one) gets the mask and is returned in *out without a further reference; -EINVAL: no signalfd.
 */
int signalfd_new(struct file *existing, uint64_t mask, int flags, struct file **out);
/* The clock was set: absolute CLOCK_REALTIME timers move, TFD_TIMER_CANCEL_ON_SET ones end. To be called by
 * clock_wall_set(). */
void timerfd_clock_was_set(void);
/* A signal became pending: wakes readers of signalfds. To be called by signal_send_…(). */
void signalfd_notify(void);
/* memfd_create(2): flags are MFD_; the name without "memfd:". -EINVAL for a name over 249 bytes or an unknown flag. */
int memfd_new(const char *name, unsigned flags, struct file **out);
int memfd_inode(struct inode **out); /* the nameless inode of one, with a reference; -ENOMEM */
int memfd_add_seals(struct file *f, unsigned seals); /* F_ADD_SEALS: 0, -EINVAL (no memfd), -EPERM, -EBUSY */
int memfd_get_seals(struct file *f);                 /* F_GET_SEALS: the seals, or -EINVAL */
/* The bytes at the front of a pipe, left in it: sleeps for the first as read does; 0 at end of file. pipe_skip() takes
 * them out. -EINVAL when f is no pipe. */
long pipe_peek(struct file *f, void *buf, size_t len);
void pipe_skip(struct file *f, size_t n);
bool file_is_pipe(const struct file *f);

/* ---- poll (core/file/poll.c) ---- */

/* What a poll operation registers with: add() hooks one queue. */
struct poll_table {
	void (*add)(struct poll_table *pt, struct waitq *q);
	unsigned events; /* wanted */
};
static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt)
		pt->add(pt, q);
}

struct pollfd_k {
	int fd;
	short events, revents;
};
/* poll(2): number ready, 0 at the deadline (ns, monotonic), -EINTR, -ENOMEM. */
int poll_fds(struct pollfd_k *fds, unsigned n, uint64_t deadline);

/* ---- epoll (core/file/epoll.c) ---- */
struct epoll_event_k {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));
int epoll_new(int flags, struct file **out);
int epoll_change(struct file *ep, int op, int fd, struct file *target, const struct epoll_event_k *ev);
int epoll_collect(struct file *ep, struct epoll_event_k *events, int max, uint64_t deadline);
void epoll_forget_file(struct file *f); /* from file_put: the file is going away */

/* ---- record and whole-file locks (core/file/lock.c) ---- */
struct flock_k {
	short type, whence;
	int64_t start, len;
	int pid;
};
int lock_posix(struct file *f, int cmd, struct flock_k *fl); /* F_GETLK F_SETLK F_SETLKW and F_OFD_… */
int lock_flock(struct file *f, int op);
void lock_close(struct file *f, const void *owner); /* close(2): POSIX locks of owner (the fdtable) on the inode go */
void lock_release(struct file *f);                  /* last reference: flock and OFD locks go */
void lock_print_all(struct seqbuf *out);            /* /proc/locks */

/* ---- standard streams and terminal (core/file/stdio.c, tty.c) ---- */
/* Installs descriptors 0, 1 and 2 as the platform describes them. */
int stdio_init(struct fdtable *t);
/* IRQ_STDIO and IRQ_SIGNAL arrived. */
void stdio_irq(unsigned irqs);
/* At exit: sleeps until the terminal has taken all output (not while ^S holds it). */
void stdio_drain(void);
/* For open of /dev/console, /dev/tty (rdev 5:0: the controlling terminal) and /dev/pts/0: sets f->ops. -ENXIO when
 * there is no terminal, or 5:0 and the process has none. */
int tty_open(struct file *f);
extern const struct file_ops tty_file_ops;
bool tty_present(void);
void tty_init(int out_fd, bool input); /* the platform's stream for output; whether stream 0 is the terminal too */
void tty_irq(void);                    /* the platform has input or takes output again */
void tty_resized(void);                /* plat_tty_size() has news */
int tty_session(void), tty_pgrp(void); /* of the console terminal, for /proc/…/stat; 0: none */
/* The program's process leads the terminal's session from boot on. */
struct proc;
void tty_attach(struct proc *p);
void tty_session_exit(struct proc *p); /* a session leader exits: hang-up for the foreground group */

#endif
