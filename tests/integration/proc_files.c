/* /proc: what programs read of themselves. */
#include "t.h"
int main(int argc, char **argv)
{
	char buf[65536], path[64];
	ssize_t n;

	n = readlink("/proc/self/exe", buf, sizeof(buf));
	FACT(n > 0 && memmem(buf, n, "proc_files", 10));
	int fd = open("/proc/self/cmdline", O_RDONLY);
	n = read(fd, buf, sizeof(buf));
	FACT(n == (ssize_t)strlen(argv[0]) + 1 && !strcmp(buf, argv[0]));
	fd = open("/proc/self/maps", O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	FACT(strstr(buf, "[stack]") && strstr(buf, "libc.so.6") && strstr(buf, "[vdso]"));
	unsigned long from, to;
	char prot[8];
	int inside = 0;
	for (char *l = buf; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
		if (sscanf(l, "%lx-%lx %4s", &from, &to, prot) == 3)
			inside += (uintptr_t)&main >= from && (uintptr_t)&main < to && prot[2] == 'x';
	SHOW(inside);
	fd = open("/proc/self/status", O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	FACT(!strncmp(buf, "Name:\tproc_files\n", 17) && strstr(buf, "VmRSS:") && strstr(buf, "\nUid:\t") && strstr(buf, "Threads:\t1\n"));
	fd = open("/proc/self/stat", O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	int pid, fields = 0;
	FACT(sscanf(buf, "%d (proc_files) R", &pid) == 1 && pid == getpid());
	for (char *p = strtok(buf, " \n"); p; p = strtok(NULL, " \n"))
		fields++;
	SHOW(fields);
	fd = open("/etc/passwd", O_RDONLY);
	sprintf(path, "/proc/self/fd/%d", fd);
	n = readlink(path, buf, sizeof(buf));
	printf("%.*s\n", (int)n, buf);
	WORKS(open(path, O_RDONLY));
	SHOW(open("/proc/self/fd/99", O_RDONLY));
	SHOW(access("/proc/99999", F_OK));
	sprintf(path, "/proc/%d/status", getpid());
	SHOW(access(path, R_OK));
	FACT(access("/proc/meminfo", R_OK) == 0 && access("/proc/cpuinfo", R_OK) == 0 && access("/proc/mounts", R_OK) == 0);
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kb = 0;
	FACT(f && fscanf(f, "MemTotal: %lu kB", &kb) == 1 && kb > 1000);
	f = fopen("/proc/sys/kernel/ostype", "r");
	FACT(f && fgets(buf, 64, f) && !strcmp(buf, "Linux\n"));
	SHOW(unlink("/proc/self/stat") == -1);
	SHOW(open("/proc/self/stat", O_RDWR) == -1 && errno == EACCES);
	struct stat st;
	SHOW(stat("/proc/self/stat", &st));
	SHOW(st.st_size);
	return 0;
}
