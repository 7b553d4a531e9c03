/* The host's terminal: raw while the guest runs (the guest's tty does the line discipline), restored whatever happens. */
#include "tools/doppel/doppel.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool raw;

void tty_restore(void)
{
	if (raw)
		tcsetattr(0, TCSADRAIN, &saved);
	raw = false;
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
	raw = true;
	atexit(tty_restore);
	tcsetattr(0, TCSADRAIN, &t);
}
