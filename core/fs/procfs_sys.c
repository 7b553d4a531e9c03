/* /proc/sys: the values that programs read, with Linux's defaults where nothing here depends on them (proc_sys(5) and
 * the kernel's Documentation/admin-guide/sysctl). The host name can be set; other writes answer EINVAL. */
#include "core/boot.h"
#include "core/file/file.h"
#include "core/fs/procfs.h"
#include "core/lib/string.h"
#include "core/main.h"
#include "core/mm/page.h"
#include "core/mm/space.h"
#include "core/proc/cred.h"
#include "core/random.h"
#include "shim/abi/errno.h"
#include "shim/abi/stat.h"

#define RO (S_IFREG | 0444)
#define RW (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0555)
#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

static int hostname_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_printf(b, "%s\n", hostname_get());
	return 0;
}

static int hostname_store(const struct text_inode *t, char *text, size_t len)
{
	if (!cred_is_root(cred_current()))
		return -EPERM;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == 0)
			len = i;
	}
	return hostname_set(text, MIN(len, (size_t)64));
}

/* A random UUID, version 4: RFC 4122. */
static void print_uuid(struct seqbuf *b, uint8_t u[16])
{
	u[6] = (u[6] & 0x0f) | 0x40;
	u[8] = (u[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++)
		seqbuf_printf(b, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	seqbuf_str(b, "\n");
}

static int uuid_show(const struct text_inode *t, struct seqbuf *b)
{
	uint8_t u[16];

	random_bytes(u, sizeof(u));
	print_uuid(b, u);
	return 0;
}

static int boot_id_show(const struct text_inode *t, struct seqbuf *b)
{
	static uint8_t id[16];
	static bool made;

	if (!made)
		random_bytes(id, sizeof(id));
	made = true;
	print_uuid(b, id);
	return 0;
}

static int aslr_show(const struct text_inode *t, struct seqbuf *b)
{
	char value[8];
	const char *v = boot_word("aslr", 0, value, sizeof(value));

	seqbuf_str(b, v && v[0] == '0' ? "0\n" : "2\n");
	return 0;
}

/* As many as take an eighth of RAM for their kernel stacks. */
static int threads_max_show(const struct text_inode *t, struct seqbuf *b)
{
	struct page_stats st;

	page_stats(&st);
	seqbuf_printf(b, "%lu\n", MAX(st.total / 32, 20ul));
	return 0;
}

static int file_nr_show(const struct text_inode *t, struct seqbuf *b)
{
	seqbuf_printf(b, "%lu\t0\t9223372036854775807\n", file_count());
	return 0;
}

static const struct text_node random_children[] = {
	{ .name = "boot_id", .mode = RO, .show = boot_id_show },
	{ .name = "entropy_avail", .mode = RO, .text = "256\n" },
	{ .name = "poolsize", .mode = RO, .text = "256\n" },
	{ .name = "uuid", .mode = RO, .show = uuid_show },
	{ 0 },
};

static const struct text_node kernel_children[] = {
	{ .name = "cap_last_cap", .mode = RO, .text = "40\n" },
	{ .name = "core_pattern", .mode = RW, .text = "core\n" },
	{ .name = "core_uses_pid", .mode = RW, .text = "0\n" },
	{ .name = "domainname", .mode = RW, .text = "(none)\n" },
	{ .name = "hostname", .mode = RW, .show = hostname_show, .store = hostname_store },
	{ .name = "kptr_restrict", .mode = RW, .text = "0\n" },
	{ .name = "msgmax", .mode = RW, .text = "8192\n" },
	{ .name = "msgmnb", .mode = RW, .text = "16384\n" },
	{ .name = "msgmni", .mode = RW, .text = "32000\n" },
	{ .name = "ngroups_max", .mode = RO, .text = "65536\n" },
	{ .name = "osrelease", .mode = RO, .text = UNAME_RELEASE "\n" },
	{ .name = "ostype", .mode = RO, .text = UNAME_SYSNAME "\n" },
	{ .name = "overflowgid", .mode = RW, .text = "65534\n" },
	{ .name = "overflowuid", .mode = RW, .text = "65534\n" },
	{ .name = "perf_event_paranoid", .mode = RW, .text = "2\n" },
	{ .name = "pid_max", .mode = RW, .text = "4194304\n" },
	{ .name = "printk", .mode = RW, .text = "4\t4\t1\t7\n" },
	{ .name = "random", .mode = DIR_MODE, .children = random_children },
	{ .name = "randomize_va_space", .mode = RW, .show = aslr_show },
	{ .name = "sched_rr_timeslice_ms", .mode = RW, .text = "100\n" },
	{ .name = "sem", .mode = RW, .text = "32000\t1024000000\t500\t32000\n" },
	{ .name = "shmall", .mode = RW, .text = "18446744073692774399\n" },
	{ .name = "shmmax", .mode = RW, .text = "18446744073692774399\n" },
	{ .name = "shmmni", .mode = RW, .text = "4096\n" },
	{ .name = "tainted", .mode = RW, .text = "0\n" },
	{ .name = "threads-max", .mode = RW, .show = threads_max_show },
	{ .name = "version", .mode = RO, .text = UNAME_VERSION "\n" },
	{ 0 },
};

static const struct text_node vm_children[] = {
	{ .name = "dirty_background_ratio", .mode = RW, .text = "10\n" },
	{ .name = "dirty_ratio", .mode = RW, .text = "20\n" },
	{ .name = "max_map_count", .mode = RW, .text = STRINGIFY(SPACE_MAX_VMAS) "\n" },
	{ .name = "min_free_kbytes", .mode = RW, .text = "1024\n" },
	{ .name = "mmap_min_addr", .mode = RW, .text = "65536\n" },
	{ .name = "nr_hugepages", .mode = RW, .text = "0\n" },
	{ .name = "overcommit_memory", .mode = RW, .text = "0\n" },
	{ .name = "overcommit_ratio", .mode = RW, .text = "50\n" },
	{ .name = "swappiness", .mode = RW, .text = "60\n" },
	{ 0 },
};

static const struct text_node fs_children[] = {
	{ .name = "aio-max-nr", .mode = RW, .text = "65536\n" },
	{ .name = "file-max", .mode = RW, .text = "9223372036854775807\n" },
	{ .name = "file-nr", .mode = RO, .show = file_nr_show },
	{ .name = "lease-break-time", .mode = RW, .text = "45\n" },
	{ .name = "leases-enable", .mode = RW, .text = "1\n" },
	{ .name = "nr_open", .mode = RW, .text = STRINGIFY(NR_OPEN_MAX) "\n" },
	{ .name = "pipe-max-size", .mode = RW, .text = "1048576\n" },
	{ .name = "pipe-user-pages-hard", .mode = RW, .text = "0\n" },
	{ .name = "pipe-user-pages-soft", .mode = RW, .text = "16384\n" },
	{ .name = "protected_hardlinks", .mode = RW, .text = "0\n" },
	{ .name = "protected_symlinks", .mode = RW, .text = "0\n" },
	{ .name = "suid_dumpable", .mode = RW, .text = "0\n" },
	{ 0 },
};

static const struct text_node net_core_children[] = {
	{ .name = "rmem_default", .mode = RW, .text = "212992\n" },
	{ .name = "rmem_max", .mode = RW, .text = "212992\n" },
	{ .name = "somaxconn", .mode = RW, .text = "4096\n" },
	{ .name = "wmem_default", .mode = RW, .text = "212992\n" },
	{ .name = "wmem_max", .mode = RW, .text = "212992\n" },
	{ 0 },
};

static const struct text_node net_unix_children[] = {
	{ .name = "max_dgram_qlen", .mode = RW, .text = "512\n" },
	{ 0 },
};

static const struct text_node net_children[] = {
	{ .name = "core", .mode = DIR_MODE, .children = net_core_children },
	{ .name = "unix", .mode = DIR_MODE, .children = net_unix_children },
	{ 0 },
};

const struct text_node procfs_sys[] = {
	{ .name = "fs", .mode = DIR_MODE, .children = fs_children },
	{ .name = "kernel", .mode = DIR_MODE, .children = kernel_children },
	{ .name = "net", .mode = DIR_MODE, .children = net_children },
	{ .name = "vm", .mode = DIR_MODE, .children = vm_children },
	{ 0 },
};
