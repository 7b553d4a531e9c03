/* doppel pack: a self-contained root as a cpio archive (newc), with exactly the files a program needs: itself, its ELF
 * interpreter, its libraries found recursively as ld.so(8) would, script interpreters, and what -v adds.
 *
 * Symbolic links on the way are kept, directories are made as needed. The archive is an ordinary one (cpio(5)), which Linux
 * unpacks, too. What -v adds is taken as data: its libraries are added where it is an executable, and it may be anything. */
#include "tools/doppel/doppel.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *out;
static uint64_t out_at;
static unsigned next_ino = 1;
static struct strings done;     /* guest paths already in the archive */
static struct strings lib_dirs; /* default library directories, ld.so.conf's first */
static size_t files, libraries;
static bool extras; /* what -v names is being added */
static char *unfinished; /* the archive under its preliminary name */

static void remove_unfinished(void)
{
	if (unfinished)
		unlink(unfinished);
}

static bool seen(const char *guest)
{
	for (size_t i = 0; i < done.n; i++)
		if (!strcmp(done.v[i], guest))
			return true;
	strings_add(&done, guest);
	return false;
}

static void put(const void *p, size_t n)
{
	if (fwrite(p, 1, n, out) != n)
		die(EXIT_DOPPEL, "writing the archive: %s", strerror(errno));
	out_at += n;
}

static void pad(unsigned align)
{
	static const char zero[4];

	put(zero, (align - out_at % align) % align);
}

/* One entry: header, name, data. guest has no leading slash. */
static void entry(const char *guest, const struct stat *st, const void *data, size_t size)
{
	char header[256];
	size_t name = strlen(guest) + 1;

	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08lX%08zX%08X%08X%08X%08X%08zX%08X", next_ino++,
		 (unsigned)st->st_mode, 0u, 0u, S_ISDIR(st->st_mode) ? 2u : 1u, (unsigned long)st->st_mtime & 0xffffffff, size, 0u,
		 0u, 0u, 0u, name, 0u); /* 6 + 13 × 8 = 110 characters */
	put(header, 110);
	put(guest, name);
	pad(4);
	put(data, size);
	pad(4);
}

/* A directory as the host has it, or an ordinary one. */
static void add_directory(const char *guest)
{
	struct stat st = { .st_mode = S_IFDIR | 0755 }, real;
	char *host = xasprintf("/%s", guest);

	if (!stat(host, &real) && S_ISDIR(real.st_mode))
		st.st_mode = real.st_mode;
	entry(guest, &st, "", 0);
	free(host);
}

/* If guest is a symbolic link to a directory on the host, keeps the link; the directory it leads to, or NULL. */
static char *add_link(const char *guest)
{
	char *host = xasprintf("/%s", guest), *resolved = NULL, target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (!lstat(host, &st) && S_ISLNK(st.st_mode) && (n = readlink(host, target, sizeof(target))) > 0) {
		resolved = realpath(host, NULL);
		if (resolved && !seen(guest))
			entry(guest, &st, target, (size_t)n);
	}
	free(host);
	return resolved;
}

/* Adds the directories above guest, and the links among them. Where guest is without those links (malloc'ed): an archive's
 * names must not lead through links. */
static char *add_parents(const char *guest)
{
	char *path = xstrdup(guest), *p = path;

	while ((p = strchr(p, '/'))) {
		*p = 0;
		char *resolved = add_link(path);

		if (resolved) {
			char *direct = xasprintf("%s/%s", resolved + 1, p + 1);

			free(resolved);
			free(path);
			p = path = direct; /* which has its own parents */
			continue;
		}
		if (!seen(path))
			add_directory(path);
		*p++ = '/';
	}
	return path;
}

static void add_needs(const char *host, const char *data, size_t size, int depth);

static void add_regular(const char *host, const char *guest, const struct stat *st, bool needs, int depth)
{
	int fd = open(host, O_RDONLY | O_CLOEXEC);
	char *data = "";

	if (fd < 0)
		die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
	if (st->st_size) {
		data = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED)
			die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
	}
	if ((uint64_t)st->st_size > UINT32_MAX)
		die(EXIT_DOPPEL, "%s: larger than 4 GiB, which a cpio archive cannot hold", host);
	entry(guest, st, data, (size_t)st->st_size);
	files++;
	if (needs)
		add_needs(host, data, (size_t)st->st_size, depth);
	if (st->st_size)
		munmap(data, (size_t)st->st_size);
	close(fd);
}

/* Adds host file or link at its own path (or at guest, without leading slash). */
static void add_path(const char *host, const char *guest, bool needs, int depth)
{
	struct stat st;

	if (lstat(host, &st))
		die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
	char *own = add_parents(guest ? guest : host + 1);

	if (seen(own)) {
		free(own);
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		char target[PATH_MAX], *resolved = realpath(host, NULL);
		ssize_t n = readlink(host, target, sizeof(target));

		if (!resolved || n < 0)
			die(EXIT_DOPPEL, "%s: dangling link", host);
		/* Links in between are kept one by one: the next hop, then whatever it names. */
		entry(own, &st, target, (size_t)n);
		target[n] = 0;
		char *slash = strrchr(host, '/'), *next = *target == '/' ? xstrdup(target)
						: xasprintf("%.*s/%s", (int)(slash - host), host, target);
		struct stat hop;
		char *use = !strstr(next, "..") && !lstat(next, &hop) ? next : resolved;

		add_path(use, NULL, needs, depth);
		free(next);
		free(resolved);
	} else if (S_ISREG(st.st_mode)) {
		add_regular(host, own, &st, needs, depth);
	} else if (S_ISDIR(st.st_mode)) {
		entry(own, &st, "", 0);
	}
	free(own);
}

static void read_ld_conf(const char *pattern)
{
	glob_t g;
	char line[PATH_MAX];

	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");

		while (f && fgets(line, sizeof(line), f)) {
			line[strcspn(line, "#\n")] = 0;
			if (!strncmp(line, "include ", 8))
				read_ld_conf(line + 8);
			else if (*line == '/')
				strings_add(&lib_dirs, line);
		}
		if (f)
			fclose(f);
	}
	globfree(&g);
}

static char *find_in(const char *dirs, const char *name, const char *origin)
{
	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");
		char *dir = xasprintf("%.*s", (int)n, dirs), *path;

		if (!strncmp(dir, "$ORIGIN", 7))
			path = xasprintf("%s%s/%s", origin, dir + 7, name);
		else
			path = xasprintf("%s/%s", dir, name);
		free(dir);
		if (!access(path, R_OK)) {
			char *clean = strstr(path, "/../") || strstr(path, "/./") ? realpath(path, NULL) : xstrdup(path);

			free(path);
			return clean;
		}
		free(path);
		dirs += n + (dirs[n] == ':');
	}
	return NULL;
}

static char *find_library(const char *name, const char *runpath, const char *origin)
{
	char *found;

	if (strchr(name, '/'))
		return access(name, R_OK) ? NULL : xstrdup(name);
	if ((found = find_in(runpath, name, origin)) || (found = find_in(getenv("LD_LIBRARY_PATH"), name, origin)))
		return found;
	for (size_t i = 0; i < lib_dirs.n; i++)
		if ((found = find_in(lib_dirs.v[i], name, origin)))
			return found;
	return NULL;
}

/* File offset of a virtual address, or size when none. */
static uint64_t offset_of(const Elf64_Ehdr *e, const Elf64_Phdr *ph, uint64_t va, size_t size)
{
	for (int i = 0; i < e->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && va >= ph[i].p_vaddr && va - ph[i].p_vaddr < ph[i].p_filesz)
			return va - ph[i].p_vaddr + ph[i].p_offset;
	return size;
}

static void add_library(const char *host, const char *name, const char *runpath, const char *origin, int depth)
{
	char *lib = find_library(name, runpath, origin);

	if (!lib && extras) {
		warn_("%s needs %s, which is not found; packed without it", host, name);
		return;
	}
	if (!lib)
		die(EXIT_DOPPEL, "%s needs %s, which is not found; install its package or set LD_LIBRARY_PATH", host, name);
	libraries++;
	add_path(lib, NULL, true, depth + 1);
	free(lib);
}

static void add_dynamic(const char *host, const char *data, size_t size, const Elf64_Ehdr *e, const Elf64_Phdr *ph,
			const Elf64_Phdr *dyn, int depth)
{
	const char *runpath = NULL;
	uint64_t strtab = size;
	char *origin = realpath(host, NULL);

	if (dyn->p_offset > size || dyn->p_filesz > size - dyn->p_offset || !origin)
		die(EXIT_DOPPEL, "%s: malformed ELF", host);
	*strrchr(origin, '/') = 0;
	const Elf64_Dyn *d = (const void *)(data + dyn->p_offset);
	size_t n = dyn->p_filesz / sizeof(*d);

	for (size_t i = 0; i < n && d[i].d_tag; i++)
		if (d[i].d_tag == DT_STRTAB)
			strtab = offset_of(e, ph, d[i].d_un.d_ptr, size);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n && d[i].d_tag; i++) {
			uint64_t at = strtab + d[i].d_un.d_val;

			if (d[i].d_tag != DT_NEEDED && d[i].d_tag != DT_RUNPATH && d[i].d_tag != DT_RPATH)
				continue;
			if (at < strtab || at >= size || !memchr(data + at, 0, size - at))
				die(EXIT_DOPPEL, "%s: malformed ELF", host);
			if (pass == 0 && d[i].d_tag != DT_NEEDED)
				runpath = data + at;
			if (pass == 1 && d[i].d_tag == DT_NEEDED)
				add_library(host, data + at, runpath, origin, depth);
		}
	free(origin);
}

static void add_script_interp(const char *host, const char *data, size_t size, int depth)
{
	char line[256] = "";

	memcpy(line, data, size < 255 ? size : 255);
	line[strcspn(line, "\n")] = 0;
	char *interp = strtok(line + 2, " \t"), *arg = interp ? strtok(NULL, " \t") : NULL;

	if (interp && access(interp, F_OK)) {
		if (!extras)
			die(EXIT_DOPPEL, "%s: its interpreter %s does not exist", host, interp);
		return; /* a module that could also be run, somewhere else */
	}
	if (interp && *interp == '/')
		add_path(interp, NULL, true, depth + 1);
	if (interp && arg && !strcmp(interp, "/usr/bin/env")) {
		char *program = find_in(getenv("PATH"), arg, "");

		if (program)
			add_path(program, NULL, true, depth + 1);
		free(program);
	}
}

static void add_needs(const char *host, const char *data, size_t size, int depth)
{
	const Elf64_Ehdr *e = (const void *)data;

	if (depth > 64)
		die(EXIT_DOPPEL, "%s: libraries or scripts nested too deeply", host);
	if (size > 2 && data[0] == '#' && data[1] == '!') {
		add_script_interp(host, data, size, depth);
		return;
	}
	if (size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG))
		return;
	if (extras && (e->e_type != ET_EXEC && e->e_type != ET_DYN))
		return; /* an object file, a core */
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 || e->e_phentsize != sizeof(Elf64_Phdr) ||
	    e->e_phoff > size || (uint64_t)e->e_phnum * sizeof(Elf64_Phdr) > size - e->e_phoff)
		die(EXIT_DOPPEL, "%s: not a well-formed x86-64 ELF file", host);
	const Elf64_Phdr *ph = (const void *)(data + e->e_phoff);

	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type == PT_INTERP && ph[i].p_offset < size && memchr(data + ph[i].p_offset, 0, size - ph[i].p_offset))
			add_path(data + ph[i].p_offset, NULL, true, depth + 1);
		if (ph[i].p_type == PT_DYNAMIC)
			add_dynamic(host, data, size, e, ph, &ph[i], depth);
	}
}

/* -v HOST:GUEST: a file, or a whole tree. */
static const char *tree_host, *tree_guest;

static int add_tree_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char *guest = xasprintf("%s%s", tree_guest + 1, path + strlen(tree_host));

	if (type == FTW_SL || type == FTW_SLN) {
		char target[PATH_MAX];
		ssize_t n = readlink(path, target, sizeof(target));

		char *own = add_parents(guest);

		if (n > 0 && !seen(own))
			entry(own, st, target, (size_t)n);
		free(own);
	} else if (*guest) {
		add_path(path, guest, true, 0);
	}
	free(guest);
	return 0;
}

static void add_extra(const char *arg)
{
	char *host = xstrdup(arg), *guest = strchr(host, ':');

	if (guest)
		*guest++ = 0;
	else
		guest = host;
	char *real = realpath(host, NULL);

	if (!real || *guest != '/')
		die(EXIT_DOPPEL, "-v %s: %s", arg, real ? "the guest path must be absolute" : strerror(errno));
	size_t n = strlen(guest);

	while (n > 1 && guest[n - 1] == '/')
		guest[--n] = 0;
	tree_host = real;
	tree_guest = guest;
	if (nftw(real, add_tree_entry, 32, FTW_PHYS))
		die(EXIT_DOPPEL, "-v %s: %s", arg, strerror(errno));
}

static void add_program(const char *name)
{
	char *path = strchr(name, '/') ? realpath(name, NULL) : find_in(getenv("PATH"), name, "");
	char *absolute = path && *path == '/' ? path : path ? realpath(path, NULL) : NULL;

	if (!absolute)
		die(EXIT_NOT_FOUND, "%s: not found", name);
	if (strchr(name, '/') && *name == '/')
		absolute = xstrdup(name);
	add_path(absolute, NULL, true, 0);
}

int pack_main(int argc, char **argv)
{
	const char *image = NULL;
	struct strings extra = { 0 }, programs = { 0 };
	struct stat trailer = { 0 };
	int c;

	argv[0] = (char *)"doppel";
	while ((c = getopt(argc, argv, "-o:v:h")) >= 0) {
		if (c == 'o')
			image = optarg;
		else if (c == 'v')
			strings_add(&extra, optarg);
		else if (c == 1)
			strings_add(&programs, optarg);
		else {
			puts("Usage: doppel pack PROGRAM… -o IMAGE.cpio [-v HOST:GUEST]…");
			return c == 'h' ? 0 : EXIT_DOPPEL;
		}
	}
	if (!image || (!programs.n && !extra.n))
		die(EXIT_DOPPEL, "usage: doppel pack PROGRAM… -o IMAGE.cpio [-v HOST:GUEST]…");
	char *tmp = xasprintf("%s.tmp", image);

	out = fopen(tmp, "we");
	if (!out)
		die(EXIT_DOPPEL, "%s: %s", tmp, strerror(errno));
	unfinished = tmp;
	atexit(remove_unfinished);
	read_ld_conf("/etc/ld.so.conf");
	static const char *const standard[] = { "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64",
						"/lib", "/usr/lib" };

	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		strings_add(&lib_dirs, standard[i]);
	for (size_t i = 0; i < programs.n; i++)
		add_program(programs.v[i]);
	extras = true;
	for (size_t i = 0; i < extra.n; i++)
		add_extra(extra.v[i]);
	entry("TRAILER!!!", &trailer, "", 0);
	if (fclose(out) || rename(tmp, image))
		die(EXIT_DOPPEL, "%s: %s", image, strerror(errno));
	unfinished = NULL;
	printf("%s: %zu files (%zu library references), %llu KiB\n", image, files, libraries,
	       (unsigned long long)out_at / 1024);
	return 0;
}
