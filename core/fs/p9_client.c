/* The 9P session: requests in flight, fids, and the calls that move data.
 *
 * Requests: a slot is a page with a tag, the plat_9p_req, and room for an ordinary message each way; bulk data goes
 * straight to and from page-cache pages. One slot always exists, so that dirty pages can be written back when there
 * is no memory for another. A sender sleeps until its own reply is there; whoever takes IRQ_9P wakes the senders.
 *
 * Fids: numbers come from a bitmap and return to it when the clunk's reply is there, not before. Idle fids form an
 * LRU list; beyond P9_FID_SOFT of them the oldest goes for each new one, because the server may hold a descriptor for
 * each.
 *
 * Not here: Tflush (nothing is ever abandoned), authentication, extended attributes. */
#include "core/fs/p9_client.h"
#include "core/lib/string.h"
#include "core/mm/page.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "shim/abi/errno.h"

#define P9_CLUNKS_MAX 4 /* under way at once */
#define P9_READ_HEAD 11 /* size type tag count; an Rlerror is as long */

static struct list clients = LIST_INIT(clients);

static void clunk_pump(struct p9_client *c);

/* ---- requests ---- */

static struct p9_slot *slot_new(struct p9_client *c)
{
	struct p9_slot *s;

	for (unsigned i = 0; i < P9_SLOTS; i++) {
		if (c->slots[i])
			continue;
		s = kzalloc(sizeof(*s));
		if (!s || c->slots[i]) { /* the allocation does not sleep, but may free fids and so use slots */
			kfree(s);
			return NULL;
		}
		waitq_init(&s->wait);
		s->tag = (uint16_t)i;
		c->slots[i] = s;
		c->idle_slots++;
		return s;
	}
	return NULL;
}

static struct p9_slot *slot_idle(struct p9_client *c)
{
	for (unsigned i = 0; c->idle_slots && i < P9_SLOTS; i++) {
		if (c->slots[i] && !c->slots[i]->busy)
			return c->slots[i];
	}
	return NULL;
}

static void slot_start(struct p9_client *c, struct p9_slot *s, uint8_t type)
{
	s->busy = true;
	c->idle_slots--;
	s->type = type;
	s->clunk = NULL;
	p9_reply_buffer(s, s->small, sizeof(s->small));
	s->req.nout = 1;
	p9_out_begin(&s->out, s->tx, sizeof(s->tx), type, type == P9_TVERSION ? P9_NOTAG : s->tag);
}

struct p9_slot *p9_begin(struct p9_client *c, uint8_t type)
{
	struct p9_slot *s;

	while (!(s = slot_idle(c)) && !(s = slot_new(c)))
		wait_event_flags(&c->slot_free, slot_idle(c) != NULL, TIME_NEVER, false, true);
	slot_start(c, s, type);
	return s;
}

void p9_end(struct p9_client *c, struct p9_slot *s)
{
	s->busy = false;
	if (c->idle_slots > 0) {
		c->slots[s->tag] = NULL;
		kfree(s);
	} else {
		c->idle_slots++;
	}
	waitq_wake(&c->slot_free, 0);
}

void p9_reply_buffer(struct p9_slot *s, void *buf, size_t size)
{
	s->rx = buf;
	s->rx_size = size;
	s->req.in[0] = (struct plat_9p_seg){ buf, size };
	s->req.nin = 1;
}

void p9_add_out(struct p9_slot *s, void *base, size_t len)
{
	kassert(s->req.nout < PLAT_9P_SEGS);
	s->req.out[s->req.nout++] = (struct plat_9p_seg){ base, len };
}

void p9_add_in(struct p9_slot *s, size_t head, void *base, size_t len)
{
	kassert(s->req.nin < PLAT_9P_SEGS);
	s->req.in[0].len = s->rx_size = head;
	s->req.in[s->req.nin++] = (struct plat_9p_seg){ base, len };
}

/* Completes the message. False when it did not fit. */
static bool slot_finish(struct p9_slot *s)
{
	size_t extra = 0;

	for (unsigned i = 1; i < s->req.nout; i++)
		extra += s->req.out[i].len;
	if (!p9_out_end(&s->out, extra))
		return false;
	s->req.out[0] = (struct plat_9p_seg){ s->out.buf, s->out.len };
	s->req.done = false;
	s->req.in_len = 0;
	s->req.owner = s;
	return true;
}

int p9_call(struct p9_client *c, struct p9_slot *s)
{
	int err;

	if (!slot_finish(s))
		return -ENAMETOOLONG;
	while ((err = plat_9p_submit(c->dev, &s->req)) == -EAGAIN)
		waitq_sleep(&c->transport_room, TIME_NEVER, false, false);
	if (err)
		return -EIO;
	c->in_flight++;
	s->in_flight = true;
	wait_event_uninterruptible(&s->wait, s->req.done);
	s->in_flight = false;
	c->in_flight--;
	return p9_reply(&s->in, s->rx, s->rx_size, s->req.in_len, s->type, s->type == P9_TVERSION ? P9_NOTAG : s->tag);
}

int p9_call_end(struct p9_client *c, struct p9_slot *s)
{
	int err = p9_call(c, s);

	p9_end(c, s);
	return err;
}

/* ---- fids ---- */

static void fid_free(struct p9_client *c, struct p9_fid *f)
{
	c->fid_nums[f->num / 64] &= ~(1ul << (f->num % 64));
	c->fids--;
	list_remove(&f->link);
	kfree(f);
	waitq_wake_all(&c->fid_free, 0);
}

static void clunk_done(struct p9_client *c, struct p9_slot *s)
{
	struct p9_fid *f = s->clunk;

	if (s->in_flight) {
		s->in_flight = false;
		c->in_flight--;
	}
	c->clunking--;
	p9_end(c, s);
	fid_free(c, f); /* whatever the server says: a clunked fid is gone */
}

/* Sends clunks as long as there are slots and room; what is left is sent when one comes back. */
static void clunk_pump(struct p9_client *c)
{
	while (!list_empty(&c->clunks) && c->clunking < P9_CLUNKS_MAX) {
		struct p9_slot *s = slot_idle(c);
		struct p9_fid *f = list_entry(c->clunks.next, struct p9_fid, link);
		int err;
		if (!s)
			return;
		slot_start(c, s, P9_TCLUNK);
		p9_put_u32(&s->out, f->num);
		slot_finish(s);
		err = plat_9p_submit(c->dev, &s->req);
		if (err == -EAGAIN) {
			p9_end(c, s);
			return;
		}
		list_remove(&f->link);
		s->clunk = f;
		c->clunking++;
		if (err || s->req.done) {
			clunk_done(c, s);
		} else {
			s->in_flight = true;
			c->in_flight++;
		}
	}
}

/* f has no owner and no user: its clunk is queued and, if possible, sent. */
static void fid_clunk(struct p9_client *c, struct p9_fid *f)
{
	list_remove(&f->link);
	list_append(&c->clunks, &f->link);
	clunk_pump(c);
}

/* Takes the oldest idle fid from its owner. */
static bool fid_reclaim(struct p9_client *c)
{
	list_each(p, &c->idle) {
		struct p9_fid *f = list_entry(p, struct p9_fid, link);
		if (f->pinned)
			continue;
		*f->owner = NULL;
		f->owner = NULL;
		fid_clunk(c, f);
		return true;
	}
	return false;
}

static bool fid_num_free(const struct p9_client *c)
{
	return c->fids < P9_FID_NUMS;
}

int p9_fid_new(struct p9_client *c, struct p9_fid **out)
{
	struct p9_fid *f;
	unsigned i = 0;

	if (c->fids >= P9_FID_SOFT)
		fid_reclaim(c);
	while (!fid_num_free(c)) {
		if (list_empty(&c->clunks) && c->clunking == 0 && !fid_reclaim(c))
			return -ENFILE;
		clunk_pump(c);
		wait_event_uninterruptible(&c->fid_free, fid_num_free(c));
	}
	f = kzalloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	while (c->fid_nums[i] == UINT64_MAX)
		i++;
	f->num = i * 64 + (unsigned)__builtin_ctzl(~c->fid_nums[i]);
	c->fid_nums[i] |= 1ul << (f->num % 64);
	c->fids++;
	list_init(&f->link);
	f->users = 1;
	*out = f;
	return 0;
}

void p9_fid_discard(struct p9_client *c, struct p9_fid *f)
{
	kassert(f->users == 1 && !f->owner);
	fid_free(c, f);
}

void p9_fid_use(struct p9_fid *f)
{
	f->users++;
	list_remove(&f->link);
}

void p9_fid_put(struct p9_client *c, struct p9_fid *f)
{
	kassert(f->users > 0);
	if (--f->users)
		return;
	if (f->dropped)
		fid_clunk(c, f);
	else
		list_append(&c->idle, &f->link);
}

void p9_fid_give(struct p9_client *c, struct p9_fid *f, struct p9_fid **owner)
{
	kassert(!*owner && !f->dropped);
	*owner = f;
	f->owner = owner;
	p9_fid_put(c, f);
}

void p9_fid_drop(struct p9_client *c, struct p9_fid **owner)
{
	struct p9_fid *f = *owner;

	if (!f)
		return;
	*owner = NULL;
	f->owner = NULL;
	f->dropped = true;
	if (f->users == 0)
		fid_clunk(c, f);
}

void p9_fid_clunk(struct p9_client *c, struct p9_fid *f)
{
	f->dropped = true;
	p9_fid_put(c, f);
}

/* ---- interrupts ---- */

static void client_irq(struct p9_client *c)
{
	for (unsigned i = 0; i < P9_SLOTS; i++) {
		struct p9_slot *s = c->slots[i];
		if (!s || !s->in_flight || !s->req.done)
			continue;
		if (s->clunk)
			clunk_done(c, s);
		else
			waitq_wake_all(&s->wait, 0);
	}
	clunk_pump(c);
	waitq_wake_all(&c->transport_room, 0);
}

void p9_irq(void)
{
	list_each(p, &clients)
		client_irq(list_entry(p, struct p9_client, link));
}

/* ---- session ---- */

static int negotiate(struct p9_client *c)
{
	struct p9_slot *s = p9_begin(c, P9_TVERSION);
	uint32_t msize;
	int err;

	p9_put_u32(&s->out, P9_DATA_MAX + P9_IOHDR);
	p9_put_str(&s->out, P9_VERSION, strlen(P9_VERSION));
	err = p9_call(c, s);
	if (!err && p9_parse_version(&s->in, &msize))
		err = -EPROTO;
	p9_end(c, s);
	if (err)
		return err;
	if (msize < PAGE_SIZE + P9_IOHDR || msize > P9_DATA_MAX + P9_IOHDR)
		return -EPROTO;
	c->msize = msize;
	return 0;
}

int p9_client_new(const char *tag, struct p9_client **out)
{
	int err, dev = plat_9p_find(tag);
	struct p9_client *c;

	if (dev < 0)
		return dev;
	list_each(p, &clients) {
		if (list_entry(p, struct p9_client, link)->dev == dev)
			return -EBUSY;
	}
	c = kzalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->dev = dev;
	waitq_init(&c->slot_free);
	waitq_init(&c->transport_room);
	waitq_init(&c->fid_free);
	list_init(&c->idle);
	list_init(&c->clunks);
	list_append(&clients, &c->link);
	err = slot_new(c) ? negotiate(c) : -ENOMEM;
	if (err) {
		p9_client_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void p9_client_free(struct p9_client *c)
{
	clunk_pump(c);
	wait_event_uninterruptible(&c->fid_free, c->fids == 0);
	list_remove(&c->link);
	for (unsigned i = 0; i < P9_SLOTS; i++)
		kfree(c->slots[i]);
	kfree(c);
}

/* ---- calls ---- */

int p9_attach(struct p9_client *c, struct p9_fid *f, struct p9_qid *qid)
{
	struct p9_slot *s = p9_begin(c, P9_TATTACH);
	int err;

	p9_put_u32(&s->out, f->num);
	p9_put_u32(&s->out, P9_NOFID); /* no authentication */
	p9_put_str(&s->out, "", 0);
	p9_put_str(&s->out, "", 0);
	p9_put_u32(&s->out, 0); /* n_uname */
	err = p9_call(c, s);
	if (!err) {
		*qid = p9_get_qid(&s->in);
		if (!p9_in_done(&s->in))
			err = -EIO;
	}
	p9_end(c, s);
	return err;
}

int p9_walk(struct p9_client *c, struct p9_fid *from, struct p9_fid *to, const struct p9_str *names, unsigned n,
	    struct p9_qid *qid)
{
	struct p9_slot *s = p9_begin(c, P9_TWALK);
	struct p9_qid qids[P9_WALK_MAX];
	unsigned got = 0;
	bool known; /* the server may know the new fid */
	int err;

	p9_put_u32(&s->out, from->num);
	p9_put_u32(&s->out, to->num);
	p9_put_u16(&s->out, (uint16_t)n);
	for (unsigned i = 0; i < n; i++)
		p9_put_str(&s->out, names[i].s, names[i].len);
	err = p9_call(c, s);
	known = !err || err == -EIO;
	if (!err)
		err = p9_parse_walk(&s->in, qids, n, &got);
	p9_end(c, s);
	if (!err && got < n) {
		err = -ENOENT;
		known = false;
	}
	if (err && known)
		p9_fid_clunk(c, to);
	else if (err)
		p9_fid_discard(c, to);
	else if (n)
		*qid = qids[n - 1];
	return err;
}

int p9_getattr(struct p9_client *c, struct p9_fid *f, struct p9_attr *a)
{
	struct p9_slot *s = p9_begin(c, P9_TGETATTR);
	int err;

	p9_put_u32(&s->out, f->num);
	p9_put_u64(&s->out, P9_GETATTR_BASIC);
	err = p9_call(c, s);
	if (!err)
		err = p9_parse_attr(&s->in, a);
	p9_end(c, s);
	return err;
}


uint32_t p9_data_max(const struct p9_client *c, uint32_t iounit)
{
	uint32_t max = MIN(c->msize - P9_IOHDR, P9_DATA_MAX);

	return iounit >= PAGE_SIZE && iounit < max ? iounit : max;
}

int p9_lopen(struct p9_client *c, struct p9_fid *f, uint32_t flags)
{
	struct p9_slot *s = p9_begin(c, P9_TLOPEN);
	struct p9_qid qid;
	uint32_t iounit = 0;
	int err;

	p9_put_u32(&s->out, f->num);
	p9_put_u32(&s->out, flags);
	err = p9_call(c, s);
	if (!err)
		err = p9_parse_open(&s->in, &qid, &iounit);
	if (!err)
		f->iounit = p9_data_max(c, iounit);
	p9_end(c, s);
	return err;
}

/* Adds the pages' bytes [skip, skip + len) as segments. */
static void add_pages(struct p9_slot *s, struct page **pages, size_t skip, size_t len, bool out)
{
	for (unsigned i = 0; len; i++) {
		size_t n = MIN(PAGE_SIZE - skip, len);
		char *base = (char *)page_va(pages[i]) + skip;
		if (out)
			p9_add_out(s, base, n);
		else
			p9_add_in(s, P9_READ_HEAD, base, n);
		len -= n;
		skip = 0;
	}
}

long p9_read(struct p9_client *c, struct p9_fid *f, struct page **pages, size_t skip, uint64_t off, size_t len)
{
	struct p9_slot *s = p9_begin(c, P9_TREAD);
	uint32_t got = 0;
	int err;

	len = MIN(len, (size_t)f->iounit);
	p9_put_u32(&s->out, f->num);
	p9_put_u64(&s->out, off);
	p9_put_u32(&s->out, (uint32_t)len);
	add_pages(s, pages, skip, len, false);
	err = p9_call(c, s);
	if (!err) {
		got = p9_get_u32(&s->in);
		if (!p9_in_done(&s->in) || got > len || got > s->req.in_len - P9_READ_HEAD)
			err = -EIO;
	}
	p9_end(c, s);
	return err ? err : (long)got;
}

long p9_write(struct p9_client *c, struct p9_fid *f, struct page **pages, size_t skip, uint64_t off, size_t len)
{
	struct p9_slot *s = p9_begin(c, P9_TWRITE);
	uint32_t put = 0;
	int err;

	len = MIN(len, (size_t)f->iounit);
	p9_put_u32(&s->out, f->num);
	p9_put_u64(&s->out, off);
	p9_put_u32(&s->out, (uint32_t)len);
	add_pages(s, pages, skip, len, true);
	err = p9_call(c, s);
	if (!err) {
		put = p9_get_u32(&s->in);
		if (!p9_in_done(&s->in) || put > len || put == 0)
			err = -EIO;
	}
	p9_end(c, s);
	return err ? err : (long)put;
}
