/* /sys: only what programs read to learn about the machine: processors, huge pages, an empty cgroup directory. Files
 * have st_size 4096, as on Linux. The tree is a table; core/fs/textfs.c does the rest. */
#include "core/fs/textfs.h"
#include "shim/abi/stat.h"

#define SYSFS_MAGIC 0x62656572
#define RO (S_IFREG | 0444)
#define RW (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)

static const struct text_node topology_children[] = {
	{ .name = "core_cpus", .mode = RO, .text = "1\n" },
	{ .name = "core_cpus_list", .mode = RO, .text = "0\n" },
	{ .name = "core_id", .mode = RO, .text = "0\n" },
	{ .name = "core_siblings", .mode = RO, .text = "1\n" },
	{ .name = "core_siblings_list", .mode = RO, .text = "0\n" },
	{ .name = "physical_package_id", .mode = RO, .text = "0\n" },
	{ .name = "thread_siblings", .mode = RO, .text = "1\n" },
	{ .name = "thread_siblings_list", .mode = RO, .text = "0\n" },
	{ 0 },
};

static const struct text_node cpu0_children[] = {
	{ .name = "topology", .mode = DIR_MODE, .children = topology_children },
	{ 0 },
};

static const struct text_node cpu_children[] = {
	{ .name = "cpu0", .mode = DIR_MODE, .children = cpu0_children },
	{ .name = "isolated", .mode = RO, .text = "\n" },
	{ .name = "kernel_max", .mode = RO, .text = "0\n" },
	{ .name = "offline", .mode = RO, .text = "\n" },
	{ .name = "online", .mode = RO, .text = "0\n" },
	{ .name = "possible", .mode = RO, .text = "0\n" },
	{ .name = "present", .mode = RO, .text = "0\n" },
	{ 0 },
};

static const struct text_node node0_children[] = {
	{ .name = "cpulist", .mode = RO, .text = "0\n" },
	{ .name = "cpumap", .mode = RO, .text = "1\n" },
	{ .name = "distance", .mode = RO, .text = "10\n" },
	{ 0 },
};

static const struct text_node node_children[] = {
	{ .name = "has_cpu", .mode = RO, .text = "0\n" },
	{ .name = "node0", .mode = DIR_MODE, .children = node0_children },
	{ .name = "online", .mode = RO, .text = "0\n" },
	{ .name = "possible", .mode = RO, .text = "0\n" },
	{ 0 },
};

static const struct text_node system_children[] = {
	{ .name = "cpu", .mode = DIR_MODE, .children = cpu_children },
	{ .name = "node", .mode = DIR_MODE, .children = node_children },
	{ 0 },
};

static const struct text_node devices_children[] = {
	{ .name = "system", .mode = DIR_MODE, .children = system_children },
	{ 0 },
};

static const struct text_node thp_children[] = {
	{ .name = "defrag", .mode = RW, .text = "always defer defer+madvise [madvise] never\n" },
	{ .name = "enabled", .mode = RW, .text = "always madvise [never]\n" },
	{ .name = "hpage_pmd_size", .mode = RO, .text = "2097152\n" },
	{ .name = "shmem_enabled", .mode = RW, .text = "always within_size advise [never] deny force\n" },
	{ 0 },
};

static const struct text_node mm_children[] = {
	{ .name = "hugepages", .mode = DIR_MODE },
	{ .name = "transparent_hugepage", .mode = DIR_MODE, .children = thp_children },
	{ 0 },
};

static const struct text_node kernel_children[] = {
	{ .name = "mm", .mode = DIR_MODE, .children = mm_children },
	{ 0 },
};

static const struct text_node fs_children[] = {
	{ .name = "cgroup", .mode = DIR_MODE },
	{ 0 },
};

static const struct text_node dev_children[] = {
	{ .name = "block", .mode = DIR_MODE },
	{ .name = "char", .mode = DIR_MODE },
	{ 0 },
};

static const struct text_node root_children[] = {
	{ .name = "block", .mode = DIR_MODE },
	{ .name = "bus", .mode = DIR_MODE },
	{ .name = "class", .mode = DIR_MODE },
	{ .name = "dev", .mode = DIR_MODE, .children = dev_children },
	{ .name = "devices", .mode = DIR_MODE, .children = devices_children },
	{ .name = "firmware", .mode = DIR_MODE },
	{ .name = "fs", .mode = DIR_MODE, .children = fs_children },
	{ .name = "kernel", .mode = DIR_MODE, .children = kernel_children },
	{ .name = "module", .mode = DIR_MODE },
	{ 0 },
};

static const struct text_node root = { .name = "", .mode = S_IFDIR | 0555, .children = root_children };

int sysfs_new(struct super **out)
{
	int err = text_super_new("sysfs", SYSFS_MAGIC, &root, out);

	if (!err)
		((struct text_super *)(*out)->priv)->size = PAGE_SIZE;
	return err;
}
