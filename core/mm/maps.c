/* /proc/PID/maps, smaps and smaps_rollup: the mappings of an address space as text, in the formats of proc(5). */
#include "core/file/file.h"
#include "core/lib/seqbuf.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/mm/space_impl.h"
#include "shim/abi/stat.h"

#define NAME_COLUMN 73

/* The name with newlines as \012, as the kernel's seq_file_path() writes it. */
static void print_name(struct seqbuf *out, const char *name)
{
	for (; *name; name++) {
		if (*name == '\n')
			seqbuf_str(out, "\\012");
		else
			seqbuf_put(out, name, 1);
	}
}

static void print_path(struct seqbuf *out, const struct vma *v, char *buf)
{
	char *path;

	if (v->name)
		print_name(out, v->name);
	else if (v->file->path.dentry && !path_string(&v->file->path, buf, PATH_MAX, &path, true))
		print_name(out, path);
}

static void print_vma(struct seqbuf *out, const struct vma *v, char *buf)
{
	bool special = v->name && v->name[0] == '['; /* if it has a file, that is our affair */
	const struct inode *inode = v->file && !special ? v->file->inode : NULL;
	uint64_t dev = inode && inode->super ? inode->super->dev : 0;
	size_t line = out->len, width;

	seqbuf_printf(out, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", v->start, v->end, v->prot & PROT_READ ? 'r' : '-',
		      v->prot & PROT_WRITE ? 'w' : '-', v->prot & PROT_EXEC ? 'x' : '-', (v->flags & VMA_SHARED) && !special ? 's' : 'p',
		      inode ? v->pgoff << PAGE_SHIFT : 0, DEV_MAJOR(dev), DEV_MINOR(dev), inode ? inode->ino : 0);
	if (v->name || inode) {
		width = out->len - line;
		seqbuf_printf(out, "%*s", width < NAME_COLUMN ? (int)(NAME_COLUMN - width) : 0, "");
		print_path(out, v, buf);
	}
	seqbuf_str(out, "\n");
}

/* Pages in KiB. */
struct usage {
	size_t clean, dirty, anon, shared, locked;
};

/* Adds those of one VMA. */
static void count_usage(const struct vma *v, struct usage *u)
{
	vaddr_t at;
	bool huge;

	for (pte_t *e = pt_next(v->space->root, v->start, v->end, &at, &huge); e;
	     e = pt_step(v->space->root, e, &at, v->end)) {
		const struct page *p = pa_to_page(pte_pa(*e));
		bool dirty = (*e & PTE_ANON) || (p->flags & PG_DIRTY);

		if (dirty)
			u->dirty += 4;
		else
			u->clean += 4;
		if (*e & PTE_ANON)
			u->anon += 4;
		if (p->refs > 2 || ((*e & PTE_ANON) && p->refs > 1)) /* a cached page has the cache's reference */
			u->shared += 4;
		if (v->flags & VMA_LOCKED)
			u->locked += 4;
	}
}

static void print_usage(struct seqbuf *out, const struct usage *u)
{
	size_t rss = u->clean + u->dirty, shared_clean = MIN(u->shared, u->clean), shared_dirty = u->shared - shared_clean;

	seqbuf_printf(out, "Rss:            %8lu kB\nPss:            %8lu kB\n", rss, rss);
	seqbuf_printf(out, "Shared_Clean:   %8lu kB\nShared_Dirty:   %8lu kB\n", shared_clean, shared_dirty);
	seqbuf_printf(out, "Private_Clean:  %8lu kB\nPrivate_Dirty:  %8lu kB\n", u->clean - shared_clean, u->dirty - shared_dirty);
	seqbuf_printf(out, "Referenced:     %8lu kB\nAnonymous:      %8lu kB\n", rss, u->anon);
	seqbuf_printf(out, "Swap:           %8u kB\nSwapPss:        %8u kB\nLocked:         %8lu kB\n", 0, 0, u->locked);
}

static void print_details(struct seqbuf *out, const struct vma *v)
{
	struct usage u = { 0 };

	count_usage(v, &u);
	seqbuf_printf(out, "Size:           %8lu kB\nKernelPageSize: %8u kB\nMMUPageSize:    %8u kB\n", vma_pages(v) * 4, 4, 4);
	print_usage(out, &u);
	seqbuf_printf(out, "VmFlags:%s%s%s%s mr%s me%s%s%s%s%s\n", v->prot & PROT_READ ? " rd" : "",
		      v->prot & PROT_WRITE ? " wr" : "", v->prot & PROT_EXEC ? " ex" : "",
		      v->flags & VMA_SHARED ? " sh" : "", v->flags & VMA_MAYWRITE ? " mw" : "",
		      v->flags & VMA_GROWSDOWN ? " gd" : "", v->flags & VMA_LOCKED ? " lo" : "",
		      v->flags & VMA_DONTFORK ? " dc" : "", v->flags & VMA_NORESERVE ? " nr" : "",
		      v->flags & VMA_DONTDUMP ? " dd" : "");
}

static void print_all(struct space *s, struct seqbuf *out, bool usage)
{
	char *buf = kmalloc(PATH_MAX);

	if (!buf) {
		seqbuf_free(out);
		out->failed = true;
		return;
	}
	mutex_lock(&s->lock);
	for (struct vma *v = space_find(s, 0); v; v = vma_next(v)) {
		print_vma(out, v, buf);
		if (usage)
			print_details(out, v);
	}
	mutex_unlock(&s->lock);
	kfree(buf);
}

void space_print_maps(struct space *s, struct seqbuf *out)
{
	print_all(s, out, false);
}

void space_print_smaps(struct space *s, struct seqbuf *out)
{
	print_all(s, out, true);
}

void space_print_rollup(struct space *s, struct seqbuf *out)
{
	struct usage u = { 0 };
	vaddr_t start = 0, end = 0;

	mutex_lock(&s->lock);
	for (struct vma *v = space_find(s, 0); v; v = vma_next(v)) {
		start = end ? start : v->start;
		end = v->end;
		count_usage(v, &u);
	}
	mutex_unlock(&s->lock);
	seqbuf_printf(out, "%08lx-%08lx ---p 00000000 00:00 0%*s[rollup]\n", start, end, 26, "");
	print_usage(out, &u);
}
