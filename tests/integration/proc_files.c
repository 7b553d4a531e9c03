/* /proc: what programs read of themselves. */
#include "t.h"
static const char constant[] = "read only";

/* mem: what the process has, whatever it may do with it; nothing at other addresses. */
static void memory(void)
{
	int fd = open("/proc/self/mem", O_RDWR), other = memfd_create("shared", 0);
	char buf[8192], *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *shared, *ro;

	munmap(page + 4096, 4096);
	strcpy(page + 4000, "at the end");
	SHOW(pread(fd, buf, 4096, (off_t)page));
	SHOW(strcmp(buf + 4000, "at the end"));
	SHOW(pread(fd, buf, 8192, (off_t)page + 4000)); /* as far as it goes */
	SHOW(pread(fd, buf, 1, (off_t)page + 4096));
	SHOW(pread(fd, buf, 0, (off_t)page + 4096));
	SHOW(pread(fd, buf, 1, 0));
	SHOW(pread(fd, page, 16, (off_t)constant)); /* into its own page, from its program */
	SHOW(strcmp(page, "read only"));
	SHOW(pread(fd, (void *)16, 16, (off_t)constant));
	SHOW(pwrite(fd, "written", 8, (off_t)page));
	SHOW(strcmp(page, "written"));
	SHOW(pwrite(fd, "forced   ", 9, (off_t)constant));
	SHOW(strcmp(*(const char *volatile *)&(const char *){ constant }, "forced   "));
	SHOW(lseek(fd, (off_t)constant, SEEK_SET) == (off_t)constant);
	SHOW(read(fd, buf, 10));
	SHOW(strcmp(buf, "forced   "));
	SHOW(lseek(fd, 0, SEEK_CUR) == (off_t)constant + 10);
	SHOW(lseek(fd, 0, SEEK_END));
	ftruncate(other, 4096);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	SHOW(pwrite(fd, "to the file", 12, (off_t)shared));
	SHOW(pread(other, buf, 12, 0));
	SHOW(strcmp(buf, "to the file"));
	/* A shared mapping without the right to write cannot be written to. */
	close(other);
	other = open("/proc/self/exe", O_RDONLY);
	ro = mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, 0);
	SHOW(pwrite(fd, "x", 1, (off_t)ro));
	SHOW(pread(fd, buf, 4, (off_t)ro));
	close(other);
	close(fd);
}

/* What is not there cannot be made either, and says so, as a kernel without that file does. */
static void nothing_new(void)
{
	static const char *const dirs[] = { "/proc", "/proc/self", "/proc/self/fd", "/proc/sys/kernel" };

	for (int i = 0; i < 4; i++) {
		SHOW(chdir(dirs[i]));
		SHOW(open("new", O_WRONLY | O_CREAT | O_TRUNC, 0666));
		SHOW(open("new", O_WRONLY | O_CREAT | O_EXCL, 0666));
		SHOW(mkdir("new", 0777));
		SHOW(symlink("x", "new"));
		SHOW(link("/proc/self/stat", "new"));
		SHOW(mkfifo("new", 0666));
		SHOW(rename("/proc/self/stat", "new"));
		SHOW(rename("new", "other"));
		SHOW(unlink("new"));
		SHOW(access("new", F_OK));
	}
	WORKS(chdir("/"));
	WORKS(open("/proc/self/comm", O_WRONLY | O_CREAT | O_TRUNC, 0666));
}

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
	FACT(strstr(buf, " r-xp 00000000 00:00 0                          [vdso]\n"));
	FACT(strstr(buf, " r--p 00000000 00:00 0                          [vvar]\n"));
	SHOW(fcntl(fd, F_GETFL) == 0100000); /* O_LARGEFILE, which glibc calls 0 */
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
	SHOW(stat("/proc/self/fdinfo/0", &st));
	printf("%o\n", st.st_mode);
	SHOW(stat("/proc/self/mem", &st));
	printf("%o\n", st.st_mode);
	fd = open("/proc/self/smaps_rollup", O_RDONLY);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	FACT(strstr(buf, " ---p 00000000 00:00 0                          [rollup]\nRss:    ") && strstr(buf, "\nLocked: "));
	unsigned long run, waited, turns;
	f = fopen("/proc/self/schedstat", "r");
	FACT(f && fscanf(f, "%lu %lu %lu", &run, &waited, &turns) == 3 && run > 0 && turns > 0);
	memory();
	nothing_new();
	return 0;
}
