/* The end of the file systems: dirty pages go to their exports, the overlay's changes are saved where save= says, or
 * counted in one line so that nobody loses work without hearing of it. */
#include "core/boot.h"
#include "core/fs/vfs.h"
#include "core/printf.h"
#include "plat/plat.h"
#include "shim/abi/errno.h"
#include "shim/abi/fcntl.h"

static struct super *root_overlay(void)
{
	struct mount *m = mount_root();

	return m && !__builtin_strcmp(m->super->type, "overlay") ? m->super : NULL;
}

static bool save_changes(struct super *overlay, const char *tag)
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
		kprintf("doppel: the changes could not be saved whole: %s (--save)\n", errno_text(-r));
	return !r;
}

bool vfs_shutdown(void)
{
	char value[64];
	struct super *overlay = root_overlay();
	const char *save = boot_word("save", 0, value, sizeof(value));
	bool kept = !pagecache_sync_all() && !pagecache_lost;
	uint64_t files = 0, bytes = 0;

	if (!kept)
		kprintf("doppel: some data could not be written back to the host\n");
	if (!overlay)
		return kept;
	if (save && !__builtin_strncmp(save, "9p:", 3))
		return save_changes(overlay, save + 3) && kept;
	overlay_changes(overlay, &files, &bytes);
	if (files && !boot_flag("quiet"))
		kprintf("doppel: %lu changed file%s (%lu bytes) discarded; keep them with -v HOST:GUEST or --save DIR\n", files,
			files == 1 ? "" : "s", bytes);
	return kept;
}
