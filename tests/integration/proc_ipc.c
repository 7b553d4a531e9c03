/* /proc/net/unix and /proc/sysvipc: the lines about this program's own sockets and segments. */
#include "t.h"
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static char text[1 << 20];

static void slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = 0;
	close(fd);
}

/* The line of the socket fd, without its address and inode. */
static void show_socket(const char *what, int fd)
{
	char want[32];
	struct stat st;

	fstat(fd, &st);
	snprintf(want, sizeof(want), " %5lu", st.st_ino);
	slurp("/proc/net/unix");
	for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n")) {
		size_t n = strlen(want);

		if (strlen(l) < 52 + n || strncmp(l + 52, want, n) || (l[52 + n] && l[52 + n] != ' '))
			continue;
		printf("%s: |%.36s|%s|\n", what, l + 16, l + 52 + n);
		return;
	}
	printf("%s: no line\n", what);
}

static int named(int type, const char *name, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	memcpy(a.sun_path, name, len);
	if (bind(fd, (void *)&a, offsetof(struct sockaddr_un, sun_path) + len))
		printf("bind: %s\n", strerrorname_np(errno));
	return fd;
}

static void sockets(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int plain = socket(AF_UNIX, SOCK_STREAM, 0), pair[2], l, c, s;

	slurp("/proc/self/net/unix");
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
	show_socket("unbound", plain);
	l = named(SOCK_STREAM, "listener", 9);
	show_socket("bound", l);
	SHOW(listen(l, 5));
	show_socket("listening", l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SHOW(connect(c, (void *)&a, sizeof(a)));
	show_socket("client", c);
	s = accept(l, NULL, NULL);
	show_socket("server", s);
	close(c);
	show_socket("server alone", s);
	close(s);
	close(l);
	unlink("listener");
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	show_socket("pair", pair[0]);
	show_socket("datagram", named(SOCK_DGRAM, "\0doppel test\0x", 14));
	show_socket("unterminated", named(SOCK_DGRAM, "./name", 6));
	unlink("name");
}

static void show_segment(int id)
{
	int key, i, mode, cpid, lpid, n = 0;
	unsigned long size, attached, rss, swap;
	unsigned uid, gid, cuid, cgid;
	long times[3];

	slurp("/proc/sysvipc/shm");
	for (char *l = strtok(text, "\n"); l; l = strtok(NULL, "\n"), n++) {
		if (!n)
			puts(l);
		else if (sscanf(l, "%d %d %o %lu %d %d %lu %u %u %u %u %ld %ld %ld %lu %lu", &key, &i, &mode, &size, &cpid, &lpid,
				&attached, &uid, &gid, &cuid, &cgid, times, times + 1, times + 2, &rss, &swap) == 16 && i == id)
			printf("|%.10s|%.29s| %d %d|%.30s| %d %d %d|%s\n", l, l + 21, cpid == getpid(), lpid == getpid(), l + 62,
			       times[0] != 0, times[1] != 0, times[2] != 0, l + 132);
	}
}

static void segments(void)
{
	int id = shmget(0x4d709e13, 10000, IPC_CREAT | 0600), other;
	char *p;

	slurp("/proc/sysvipc/msg");
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
	slurp("/proc/sysvipc/sem");
	printf("%.*s\n", (int)strcspn(text, "\n"), text);
	show_segment(id);
	p = shmat(id, NULL, 0);
	p[0] = p[4096] = 1;
	show_segment(id);
	SHOW(shmctl(id, SHM_LOCK, NULL));
	show_segment(id);
	/* What somebody who is not root may lock. */
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	other = shmget(IPC_PRIVATE, 4096, 0600);
	SHOW(setresuid(-1, 1000, 0));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	SHOW(setresuid(-1, 0, -1));
	SHOW(setrlimit(RLIMIT_MEMLOCK, &((struct rlimit){ 12288, 1 << 20 })));
	for (int i = 0; i < 2; i++) {
		struct shmid_ds d;

		shmctl(i ? other : id, IPC_STAT, &d);
		d.shm_perm.uid = 1000;
		SHOW(shmctl(i ? other : id, IPC_SET, &d));
	}
	SHOW(setresuid(1000, 1000, 0));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	SHOW(shmctl(other, SHM_LOCK, NULL));
	SHOW(shmctl(id, SHM_UNLOCK, NULL));
	SHOW(shmctl(other, SHM_LOCK, NULL));
	SHOW(shmctl(id, SHM_LOCK, NULL));
	SHOW(setrlimit(RLIMIT_MEMLOCK, &((struct rlimit){ 0, 1 << 20 })));
	SHOW(shmctl(other, SHM_LOCK, NULL));
	SHOW(shmctl(other, SHM_UNLOCK, NULL));
	SHOW(setresuid(0, 0, 0));
	SHOW(shmctl(other, SHM_LOCK, NULL));
	SHOW(shmctl(other, IPC_RMID, NULL));
	SHOW(shmctl(id, IPC_RMID, NULL));
	show_segment(id);
}

int main(void)
{
	t_tmpdir();
	sockets();
	segments();
	t_done();
	return 0;
}
