/* Runs a command on a pseudo terminal of its own and plays a script on it.
 *
 *   pty STEP… -- COMMAND [ARG…]
 *
 * Steps, in order:
 *   expect:TEXT   wait until TEXT appears in what came after the last match
 *   send:TEXT     type it
 *   size:RxC      the window becomes R rows and C columns (before the first expect: before the command starts, 24x80)
 *   signal:N      send the command signal N
 *   exit:N        the command's exit status (128+n when killed); default 0
 *   absent:TEXT   TEXT must not be anywhere in the transcript
 * In TEXT \n, \r, \t, \\ and \xHH are what they are in C. Carriage returns the terminal adds are not removed.
 *
 * At the end the terminal's attributes must be what they were. Exit status 0: all held; 1: not, with the transcript. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 30000

static int master, slave;
static pid_t child;
static char *seen;
static size_t seen_len, matched;
static bool ended;

static int transcript(const char *why, const char *what)
{
	printf("pty: %s%s\n", why, what);
	printf("---- transcript ----\n");
	for (size_t i = 0; i < seen_len; i++) {
		unsigned char c = (unsigned char)seen[i];

		if (c == '\n' || (c >= ' ' && c < 127))
			putchar(c);
		else
			printf("\\x%02x", c);
	}
	printf("\n--------------------\n");
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return 1;
}

static char *unescape(const char *s, size_t *len)
{
	char *out = malloc(strlen(s) + 1), *p = out;

	for (; *s; s++) {
		if (*s != '\\') {
			*p++ = *s;
			continue;
		}
		switch (*++s) {
		case 'n': *p++ = '\n'; break;
		case 'r': *p++ = '\r'; break;
		case 't': *p++ = '\t'; break;
		case 'x': {
			char hex[3] = { s[1], s[1] ? s[2] : 0, 0 };

			*p++ = (char)strtol(hex, NULL, 16);
			s += 2;
			break;
		}
		default: *p++ = *s;
		}
	}
	*p = 0;
	*len = (size_t)(p - out);
	return out;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Takes what the terminal shows; waits at most ms for it. */
static void take(int ms)
{
	struct pollfd p = { master, POLLIN, 0 };

	if (poll(&p, 1, ms) <= 0)
		return;
	seen = realloc(seen, seen_len + 65536 + 1);
	ssize_t n = read(master, seen + seen_len, 65536);

	if (n > 0)
		seen_len += (size_t)n;
}

static bool find(const char *text, size_t len)
{
	char *at = seen_len > matched ? memmem(seen + matched, seen_len - matched, text, len) : NULL;

	if (at)
		matched = (size_t)(at - seen) + len;
	return at;
}

static bool expect(const char *step)
{
	size_t len;
	char *text = unescape(step, &len);
	long limit = now_ms() + LIMIT_MS;
	bool ok;

	while (!(ok = find(text, len)) && now_ms() < limit) {
		siginfo_t si = { 0 };

		if (!waitid(P_PID, (id_t)child, &si, WEXITED | WNOHANG | WNOWAIT) && si.si_pid)
			ended = true;
		take(ended ? 0 : 20);
		if (ended && !(ok = find(text, len)))
			break;
		if (ok)
			break;
	}
	free(text);
	return ok;
}

static void start(char **cmd, const struct winsize *ws)
{
	ioctl(master, TIOCSWINSZ, ws);
	child = fork();
	if (child)
		return;
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(slave, fd);
	close(slave);
	close(master);
	execvp(cmd[0], cmd);
	perror(cmd[0]);
	_exit(127);
}

static void set_size(const char *s, struct winsize *ws)
{
	ws->ws_row = (unsigned short)atoi(s);
	ws->ws_col = (unsigned short)atoi(strchr(s, 'x') + 1);
	if (child)
		ioctl(master, TIOCSWINSZ, ws);
}

int main(int argc, char **argv)
{
	struct winsize ws = { 24, 80, 0, 0 };
	struct termios before, after;
	const char *absent = NULL;
	int want = 0, status, cmd = 1;

	while (cmd < argc && strcmp(argv[cmd], "--"))
		cmd++;
	if (cmd + 1 >= argc || openpty(&master, &slave, NULL, NULL, &ws))
		return 2;
	fcntl(master, F_SETFD, FD_CLOEXEC);
	tcgetattr(slave, &before);
	for (int i = 1; i < cmd; i++) {
		const char *text = strchr(argv[i], ':') + 1;

		if (!strncmp(argv[i], "size:", 5)) {
			set_size(text, &ws);
			continue;
		}
		if (!child)
			start(argv + cmd + 1, &ws);
		if (!strncmp(argv[i], "expect:", 7)) {
			if (!expect(text))
				return transcript(ended ? "the command ended before: " : "did not appear: ", text);
		} else if (!strncmp(argv[i], "send:", 5)) {
			size_t len;
			char *bytes = unescape(text, &len);

			if (write(master, bytes, len) != (ssize_t)len)
				return transcript("could not be typed: ", text);
			free(bytes);
		} else if (!strncmp(argv[i], "signal:", 7)) {
			kill(child, atoi(text));
		} else if (!strncmp(argv[i], "exit:", 5)) {
			want = atoi(text);
		} else if (!strncmp(argv[i], "absent:", 7)) {
			absent = text;
		} else {
			return 2;
		}
	}
	if (!child)
		start(argv + cmd + 1, &ws);
	long limit = now_ms() + LIMIT_MS;

	while (waitpid(child, &status, WNOHANG) == 0) {
		take(20);
		if (now_ms() > limit)
			return transcript("the command does not end", "");
	}
	child = 0;
	for (size_t n = (size_t)-1; n != seen_len;) {
		n = seen_len;
		take(0);
	}
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (status != want) {
		char text[32];

		snprintf(text, sizeof(text), "%d, not %d", status, want);
		return transcript("exit status ", text);
	}
	if (absent && seen_len && memmem(seen, seen_len, absent, strlen(absent)))
		return transcript("must not appear: ", absent);
	tcgetattr(slave, &after);
	if (before.c_iflag != after.c_iflag || before.c_oflag != after.c_oflag || before.c_lflag != after.c_lflag ||
	    before.c_cflag != after.c_cflag || memcmp(before.c_cc, after.c_cc, sizeof(before.c_cc)))
		return transcript("the terminal's attributes were not restored", "");
	return 0;
}
