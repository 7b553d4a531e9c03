/* The host's terminal: raw while the guest runs (the guest's tty does the line discipline), restored whatever happens. */
#include "tools/doppel/doppel.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved, ours;
static bool raw;

void tty_restore(void)
{
	struct termios now;
	sigset_t ttou, old;

	if (!raw)
		return;
	raw = false;
	/* What somebody else has set since (a pager that reads our output) is not ours to undo. */
	if (tcgetattr(0, &now) || now.c_iflag != ours.c_iflag || now.c_lflag != ours.c_lflag || now.c_oflag != ours.c_oflag)
		return;
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(0, TCSADRAIN, &saved);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void tty_raw(const struct run *r)
{
	struct termios t;

	if (!isatty(0) || tcgetattr(0, &saved))
		return;
	/* A background job must not fight for the terminal. */
	if (tcgetpgrp(0) != getpgrp())
		return;
	t = saved;
	cfmakeraw(&t);
	/* Output goes elsewhere, to a program of ours or not, whose lines on this terminal need their carriage returns. */
	if (!isatty(1))
		t.c_oflag |= saved.c_oflag & OPOST;
	raw = true;
	atexit(tty_restore);
	tcsetattr(0, TCSADRAIN, &t);
	tcgetattr(0, &ours);
}
