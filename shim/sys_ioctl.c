/* ioctl(2): which commands take a pointer, and how many bytes pass each way.
 *
 * Objects in core get a kernel copy of what the argument points to (struct file_ops), so every pointer command must be
 * in the table here; a command that is not is handed on as a plain value and is an object's to know or to refuse
 * (ENOTTY). FIOCLEX and FIONCLEX are about the descriptor, not the file, and are answered here. */
#include "core/file/file.h"
#include "shim/abi/ioctl.h"
#include "shim/shim.h"

#define TERMIOS_SIZE  36 /* the kernel's struct termios */
#define TERMIOS2_SIZE 44
#define IOCTL_MAX     64 /* no command of the table passes more */

static const struct command {
	uint32_t cmd;
	uint8_t in, out; /* bytes */
} commands[] = {
	{ TCGETS, 0, TERMIOS_SIZE },
	{ TCSETS, TERMIOS_SIZE, 0 },
	{ TCSETSW, TERMIOS_SIZE, 0 },
	{ TCSETSF, TERMIOS_SIZE, 0 },
	{ TCGETS2, 0, TERMIOS2_SIZE },
	{ TCSETS2, TERMIOS2_SIZE, 0 },
	{ TCSETSW2, TERMIOS2_SIZE, 0 },
	{ TCSETSF2, TERMIOS2_SIZE, 0 },
	{ TIOCGWINSZ, 0, 8 },
	{ TIOCSWINSZ, 8, 0 },
	{ TIOCGPGRP, 0, 4 },
	{ TIOCSPGRP, 4, 0 },
	{ TIOCGSID, 0, 4 },
	{ TIOCOUTQ, 0, 4 },
	{ TIOCSTI, 1, 0 },
	{ TIOCGPTN, 0, 4 },
	{ TIOCSPTLCK, 4, 0 },
	{ FIONBIO, 4, 0 },
	{ FIOASYNC, 4, 0 },
	{ FIONREAD, 0, 4 }, { SIOCATMARK, 0, 4 },
	{ RNDGETENTCNT, 0, 4 },
	{ RNDADDTOENTCNT, 4, 0 },
	{ FS_IOC_GETFLAGS, 0, 4 },
	{ FS_IOC_SETFLAGS, 4, 0 },
};

static long ioctl_by_table(struct file *f, const struct command *c, uptr_t arg)
{
	uint64_t buf[IOCTL_MAX / 8] = { 0 };
	long r;

	if (c->in && copyin(buf, arg, c->in))
		return -EFAULT;
	r = file_ioctl(f, c->cmd, buf);
	if (r >= 0 && c->out && copyout(arg, buf, c->out))
		return -EFAULT;
	return r;
}

static long ioctl_file(int fd, struct file *f, uint32_t cmd, uint64_t arg)
{
	switch (cmd) {
	case FIOCLEX: case FIONCLEX:
		return fd_cloexec_set(fd, cmd == FIOCLEX);
	case FICLONE:
		return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].cmd == cmd)
			return ioctl_by_table(f, &commands[i], arg);
	return file_ioctl(f, cmd, &arg);
}

long sys_ioctl(int fd, uint32_t cmd, uint64_t arg)
{
	struct file *f;
	long r = fd_get(fd, &f);

	if (r)
		return r;
	r = ioctl_file(fd, f, cmd, arg);
	file_put(f);
	return r;
}
