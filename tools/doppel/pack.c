/* doppel pack: a self-contained root as a cpio archive (newc), with exactly the files a program needs: itself, its ELF
 * interpreter, its libraries found recursively as ld.so(8) would, script interpreters, and what -v adds.
 *
 * Paths are followed as the kernel follows them: symbolic links on the way are kept, directories are made as needed, both with
 * the host's owners and modes. The archive is an ordinary one (cpio(5)), which Linux unpacks, too; the same files make the same
 * bytes. What -v adds is taken as data: its libraries are added where it is an executable, and it may be anything.
 *
 * What a program finds out only when it runs (dlopen(3), the files it opens) is not known here. */
#include "tools/doppel/doppel.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <limits.h>
#include <search.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *out;
static uint64_t out_at;
static unsigned next_ino = 1;
#define USAGE "doppel pack PROGRAM… -o IMAGE.cpio [-v HOST:GUEST]…   (-v: more files and directories)"
#define LINKS_MAX 40 /* followed in one path, as path_resolution(7) */

static void *done;              /* guest paths already in the archive: a tree of tsearch(3) */
static struct strings lib_dirs; /* default library directories, ld.so.conf's first */
static size_t files, libraries;
static bool extras; /* what -v names is being added */
static char *unfinished; /* the archive under its preliminary name */

static void remove_unfinished(void)
{
	if (unfinished)
		unlink(unfinished);
}

static void interrupted(int sig)
{
	remove_unfinished();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The archive replaces what image names when it is complete; until then it has another name. */
static char *open_archive(const char *image)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	char *real = realpath(image, NULL), *path = real ? real : xstrdup(image), *tmp = xasprintf("%s.tmp", path);
	struct stat st;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		die(EXIT_DOPPEL, "-o %s: not a regular file", image);
	out = fopen(tmp, "we");
	if (!out)
		die(EXIT_DOPPEL, "%s: %s", tmp, strerror(errno));
	unfinished = tmp;
	atexit(remove_unfinished);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (signal(ends[i], interrupted) == SIG_IGN)
			signal(ends[i], SIG_IGN);
	return path;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static bool seen(const char *guest)
{
	if (tfind(guest, &done, by_name))
		return true;
	if (!tsearch(xstrdup(guest), &done, by_name))
		die(EXIT_DOPPEL, "out of memory");
	return false;
}

static void put(const void *p, size_t n)
{
	if (fwrite(p, 1, n, out) != n)
		die(EXIT_DOPPEL, "%s: %s", unfinished, strerror(errno));
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
		 (unsigned)st->st_mode, st->st_uid, st->st_gid, S_ISDIR(st->st_mode) ? 2u : 1u, (unsigned long)st->st_mtime & 0xffffffff, size, 0u,
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
		st = (struct stat){ .st_mode = real.st_mode, .st_uid = real.st_uid, .st_gid = real.st_gid };
	entry(guest, &st, "", 0);
	free(host);
}

static char *link_target(const char *host)
{
	char target[PATH_MAX];
	ssize_t n = readlink(host, target, sizeof(target) - 1);

	if (n <= 0)
		die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
	target[n] = 0;
	return xstrdup(target);
}

static void add_link(const char *host, const char *guest, const struct stat *st)
{
	char *target = link_target(host);

	if (!seen(guest))
		entry(guest, st, target, strlen(target));
	free(target);
}

/* Takes the first name off a path; NULL at its end. */
static char *next_name(char **path)
{
	char *name = *path + strspn(*path, "/"), *end = name + strcspn(name, "/");

	*path = *end ? end + 1 : end;
	*end = 0;
	return *name ? name : NULL;
}

/* Follows an absolute path (a link at its end only if last is set), adding the links and the directories on the way. Where it
 * leads, without a leading slash and without links: an archive's names must not lead through any. malloc'ed. */
static char *follow(const char *path, bool last)
{
	char *at = xstrdup(""), *text = xstrdup(path), *rest = text, *name;
	unsigned links = 0;

	while ((name = next_name(&rest))) {
		bool end = !rest[strspn(rest, "/")];
		char *slash = strrchr(at, '/'), *next, *host;
		struct stat st;

		if (!strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			*(slash ? slash : at) = 0;
			continue;
		}
		next = xasprintf("%s%s%s", at, *at ? "/" : "", name);
		host = xasprintf("/%s", next);
		if (!lstat(host, &st) && S_ISLNK(st.st_mode) && (last || !end)) {
			char *target = link_target(host), *joined = xasprintf("%s/%s", target, rest);

			if (++links > LINKS_MAX)
				die(EXIT_DOPPEL, "%s: too many symbolic links", path);
			add_link(host, next, &st);
			if (*target == '/')
				*at = 0;
			free(target);
			free(text);
			free(next);
			rest = text = joined;
		} else {
			if (!end && !seen(next))
				add_directory(next);
			free(at);
			at = next;
		}
		free(host);
	}
	free(text);
	return at;
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

/* Adds a file of the host's at its own path, and what it needs. */
static void add_path(const char *path, int depth)
{
	char *own = follow(path, true), *host = xasprintf("/%s", own);
	struct stat st;

	if (stat(host, &st))
		die(EXIT_DOPPEL, "%s: %s", path, errno == ENOENT ? "a dangling link" : strerror(errno));
	if (!S_ISREG(st.st_mode))
		die(EXIT_DOPPEL, "%s: not a regular file", path);
	if (!seen(own))
		add_regular(host, own, &st, true, depth);
	free(host);
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

static void set_lib_dirs(void)
{
	static const char *const standard[] = { "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64",
						"/lib", "/usr/lib" };

	read_ld_conf("/etc/ld.so.conf");
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
		strings_add(&lib_dirs, standard[i]);
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
	add_path(lib, depth + 1);
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

/* What env(1) would run: the first argument that is neither an option nor an assignment. */
static void add_env_program(const char *host, char *args, int depth)
{
	char *name = strtok(args, " \t"), *program;

	while (name && (*name == '-' || strchr(name, '=')))
		name = strtok(NULL, " \t");
	program = !name ? NULL : *name == '/' ? xstrdup(name) : find_in(getenv("PATH"), name, "");
	if (program && !access(program, F_OK))
		add_path(program, depth);
	else if (!extras)
		die(EXIT_DOPPEL, "%s: %s, which env is to run, is not found along PATH", host, name ? name : "nothing");
	free(program);
}

static void add_script_interp(const char *host, const char *data, size_t size, int depth)
{
	char line[256] = "";

	memcpy(line, data, size < 255 ? size : 255);
	line[strcspn(line, "\n")] = 0;
	char *interp = line + 2 + strspn(line + 2, " \t"), *args = interp + strcspn(interp, " \t");

	if (*args)
		*args++ = 0;
	if (!*interp || access(interp, F_OK)) {
		if (!extras)
			die(EXIT_DOPPEL, "%s: its interpreter %s does not exist", host, interp);
		return; /* a module that could also be run, somewhere else */
	}
	if (*interp == '/')
		add_path(interp, depth + 1);
	if (strlen(interp) > 4 && !strcmp(interp + strlen(interp) - 4, "/env"))
		add_env_program(host, args, depth + 1);
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
			add_path(data + ph[i].p_offset, depth + 1);
		if (ph[i].p_type == PT_DYNAMIC)
			add_dynamic(host, data, size, e, ph, &ph[i], depth);
	}
	if (!depth && !extras && memmem(data, size, "\0dlopen", 8))
		warn_("%s loads libraries while it runs (dlopen); which ones is not known here, add them with -v", host);
}

/* -v HOST:GUEST: a file, or a whole tree, its names in order. */
static void add_tree(const char *host, const char *guest)
{
	char *own = follow(guest, false);
	struct dirent **names;
	struct stat st;
	int n;

	if (lstat(host, &st))
		die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
	if (S_ISLNK(st.st_mode)) {
		add_link(host, own, &st);
	} else if (S_ISREG(st.st_mode)) {
		if (!seen(own))
			add_regular(host, own, &st, true, 0);
	} else if (!S_ISDIR(st.st_mode)) {
		warn_("%s: not packed: neither a file, a directory nor a symbolic link", host);
	} else {
		if (*own) {
			(void)seen(own); /* made as a parent already? The last attributes count */
			entry(own, &st, "", 0);
		}
		n = scandir(host, &names, NULL, alphasort);
		if (n < 0)
			die(EXIT_DOPPEL, "%s: %s", host, strerror(errno));
		for (int i = 0; i < n; i++) {
			char *h = xasprintf("%s/%s", host, names[i]->d_name), *g = xasprintf("%s/%s", guest, names[i]->d_name);

			if (strcmp(names[i]->d_name, ".") && strcmp(names[i]->d_name, ".."))
				add_tree(h, g);
			free(h);
			free(g);
			free(names[i]);
		}
		free(names);
	}
	free(own);
}

static void add_extra(const char *arg)
{
	char *host = xstrdup(arg), *guest = strchr(host, ':');

	if (guest)
		*guest++ = 0;
	else
		guest = host;
	char *flag = strrchr(guest, ':');

	if (flag && (!strcmp(flag, ":ro") || !strcmp(flag, ":rw")))
		*flag = 0; /* as `doppel run` is told; an archive is neither */
	char *real = realpath(host, NULL);

	if (!real || *guest != '/')
		die(EXIT_DOPPEL, "-v %s: %s", arg, real ? "the guest path must be absolute" : strerror(errno));
	add_tree(real, guest);
	free(real);
	free(host);
}

static void add_program(const char *name)
{
	char *cwd = getcwd(NULL, 0), *path = *name == '/' ? xstrdup(name)
					     : strchr(name, '/') ? xasprintf("%s/%s", cwd ? cwd : "", name)
								 : find_in(getenv("PATH"), name, "");
	char *absolute = path && *path != '/' ? realpath(path, NULL) : path; /* of a relative entry of PATH */
	struct stat st;

	if (!absolute || stat(absolute, &st))
		die(EXIT_NOT_FOUND, "%s: not found", name);
	if (!S_ISREG(st.st_mode) || access(absolute, X_OK))
		die(EXIT_CANNOT_RUN, "%s: not an executable file; data is added with -v", name);
	add_path(absolute, 0);
	free(cwd);
}

int pack_main(int argc, char **argv)
{
	static const struct option long_options[] = { { "help", no_argument, NULL, 'h' }, { "volume", required_argument, NULL, 'v' }, { 0 } };
	const char *image = NULL;
	struct strings extra = { 0 }, programs = { 0 };
	struct stat trailer = { 0 };
	int c;

	argv[0] = (char *)"doppel";
	while ((c = getopt_long(argc, argv, "-o:v:h", long_options, NULL)) >= 0) {
		if (c == 'o')
			image = optarg;
		else if (c == 'v')
			strings_add(&extra, optarg);
		else if (c == 1)
			strings_add(&programs, optarg);
		else if (c == 'h')
			return puts("Usage: " USAGE), 0;
		else
			return EXIT_DOPPEL; /* getopt has said why */
	}
	if (!image || (!programs.n && !extra.n))
		die(EXIT_DOPPEL, "usage: " USAGE);
	char *path = open_archive(image);

	set_lib_dirs();
	for (size_t i = 0; i < programs.n; i++)
		add_program(programs.v[i]);
	extras = true;
	for (size_t i = 0; i < extra.n; i++)
		add_extra(extra.v[i]);
	entry("TRAILER!!!", &trailer, "", 0);
	if (fclose(out) || rename(unfinished, path))
		die(EXIT_DOPPEL, "%s: %s", image, strerror(errno));
	unfinished = NULL;
	printf("%s: %zu files (%zu library references), %llu KiB\n", image, files, libraries,
	       (unsigned long long)out_at / 1024);
	return 0;
}
