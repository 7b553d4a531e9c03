/* libFuzzer target: requests to the runner's 9P server (plat/linuxu/p9srv*.c) on a temporary directory. The input is a series
 * of type[1] length[2] body; now and then the size field is the input's, too. Nothing may lead out of the export: the
 * contents of a file beside it must never appear in a reply, and that file and its directory must stay as they are. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plat/linuxu/p9srv.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "the-secret-beside-the-export"

static char base[64];
static size_t live;

void *host_alloc(size_t size)
{
	void *p = calloc(1, size);

	live += p != NULL;
	return p;
}

void host_free(void *p, size_t size)
{
	live -= p != NULL;
	free(p);
}

static void remove_base(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'", base, base);
	if (*base && system(cmd))
		return;
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	fuzz_check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void make_tree(void)
{
	static struct rlimit small = { 1 << 20, RLIM_INFINITY };

	if (!*base) {
		strcpy(base, "/tmp/fuzz-p9srv.XXXXXX");
		fuzz_check(mkdtemp(base));
		atexit(remove_base);
		fuzz_check(chdir(base) == 0 && mkdir("out", 0755) == 0);
		put("out/secret", SECRET);
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &small);
	}
	fuzz_check(mkdir("exp", 0755) == 0 && mkdir("exp/dir", 0755) == 0);
	put("exp/file", "hello, world");
	put("exp/dir/inner", "inner");
	fuzz_check(symlink("../out", "exp/link") == 0 && symlink("/", "exp/dir/slash") == 0);
}

static void remove_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (fd >= 0) {
		DIR *d = fdopendir(fd);

		fchmod(fd, 0700);
		for (struct dirent *e; (e = readdir(d));) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (unlinkat(fd, e->d_name, 0))
				remove_dir(fd, e->d_name);
		}
		closedir(d);
	}
	unlinkat(at, name, AT_REMOVEDIR);
}

static unsigned entries(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void request(int dev, struct fuzz_in *in)
{
	static uint8_t req[8192], rep[65536];
	unsigned type = fuzz_byte(in);
	size_t n = fuzz_word(in) % 2048;
	uint32_t size;

	/* Commands that a version message would follow are rare in what the fuzzer makes: 0x80 asks for a bad size. */
	n = n < in->len ? n : in->len;
	size = (uint32_t)(n + 7) + (type & 0x80 ? fuzz_byte(in) : 0);
	n = n < in->len ? n : in->len;
	memcpy(req, &size, 4);
	req[4] = (uint8_t)(type & 0x7f);
	req[5] = req[6] = 1;
	memcpy(req + 7, in->data, n);
	in->data += n;
	in->len -= n;
	/* Exact copies, and the request in two pieces. */
	size_t cut = (n * 7) % (n + 7), max = type & 0x80 ? 40 : sizeof(rep);
	uint8_t *a = malloc(cut + 1), *b = malloc(n + 8 - cut);

	memcpy(a, req, cut);
	memcpy(b, req + cut, n + 7 - cut);
	struct plat_9p_seg out[2] = { { a, cut }, { b, n + 7 - cut } }, to[2] = { { rep, 11 }, { rep + 11, max - 11 } };
	size_t len = p9srv_call(dev, out, 2, to, 2);

	fuzz_check(len <= max && (len == 0 || len >= 7));
	fuzz_check(len == 0 || !memmem(rep, len, SECRET, sizeof(SECRET) - 1));
	free(a);
	free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct stat before, dir_before, after, dir_after;
	char export[128];

	make_tree();
	fuzz_check(stat("out/secret", &before) == 0 && stat("out", &dir_before) == 0);
	snprintf(export, sizeof(export), "%s/exp", base);
	int dev = p9srv_export("root", export, false);

	fuzz_check(dev >= 0);
	for (unsigned i = 0; in.len && i < 64; i++)
		request(dev, &in);
	p9srv_reset();
	fuzz_check(live == 0 && !p9srv_fids() && !p9srv_nodes() && !p9srv_open_dirs());
	fuzz_check(stat("out/secret", &after) == 0 && stat("out", &dir_after) == 0);
	fuzz_check(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_mode == after.st_mode && before.st_nlink == after.st_nlink &&
		   before.st_uid == after.st_uid && before.st_size == after.st_size);
	fuzz_check(dir_before.st_mtim.tv_nsec == dir_after.st_mtim.tv_nsec && dir_before.st_mode == dir_after.st_mode);
	remove_dir(AT_FDCWD, "exp");
	fuzz_check(entries(".") == 3);
	return 0;
}
