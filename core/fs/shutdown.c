/* The end of the file systems: dirty pages go to their exports, the overlay's changes are saved where save= says, or
 * counted in one line so that nobody loses work without hearing of it. */
#include "core/boot.h"
#include "core/fs/vfs.h"
#include "core/printf.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"

static struct super *root_overlay(void)
{
	struct mount *m = mount_root();

	return m && !__builtin_strcmp(m->super->type, "overlay") ? m->super : NULL;
}

static void save_changes(struct super *overlay, const char *tag)
{
	struct super *s;
	struct path to;
	int r = p9_new(tag, NULL, false, &s);

	if (!r) {
		struct mount m = { .super = s };

		to = (struct path){ &m, s->root };
		r = overlay_save(overlay, &to);
	}
	if (!r)
		r = pagecache_sync_all();
	if (r)
		kprintf("doppel: the changes could not be saved whole: error %d (--save)\n", -r);
}

void vfs_shutdown(void)
{
	char value[64];
	struct super *overlay = root_overlay();
	const char *save = boot_word("save", 0, value, sizeof(value));
	uint64_t files = 0, bytes = 0;

	if (pagecache_sync_all())
		kprintf("doppel: some data could not be written back to the host\n");
	if (!overlay)
		return;
	overlay_changes(overlay, &files, &bytes);
	if (!files)
		return;
	if (save && !__builtin_strncmp(save, "9p:", 3))
		save_changes(overlay, save + 3);
	else if (!boot_flag("quiet"))
		kprintf("doppel: %lu changed file%s (%lu bytes) discarded; keep them with -v HOST:GUEST or --save DIR\n", files,
			files == 1 ? "" : "s", bytes);
}
