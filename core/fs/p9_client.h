/* A session with one 9P2000.L server: requests, tags, fids. core/fs/p9.c makes a file system of it.
 *
 * A call: slot = p9_begin(); put the arguments into slot->out; p9_call(); read the results from slot->in; p9_end().
 * Calls sleep uninterruptibly for the reply: a killed process must not leave a fid behind that nobody knows. Clunks are
 * sent without waiting, so fids can be dropped where sleeping is not allowed. */
#ifndef CORE_FS_P9_CLIENT_H
#define CORE_FS_P9_CLIENT_H

#include "core/fs/p9_msg.h"
#include "core/wait.h"
#include "plat/plat.h"

struct page;

#define P9_SLOTS 16     /* requests in flight, each with a tag */
#define P9_SMALL 1280   /* bytes for an ordinary message */
#define P9_FID_NUMS 1024
#define P9_FID_SOFT 448 /* from here on an idle fid is clunked for each new one */
#define P9_DATA_MAX (32 * 4096u)

/* One request. Fits a page. */
struct p9_slot {
	struct plat_9p_req req;
	struct waitq wait;
	struct p9_out out;
	struct p9_in in;
	struct p9_fid *clunk; /* nobody waits: the fid whose clunk this is */
	uint8_t *rx;          /* where the reply's head goes: small, or a larger buffer of the caller */
	size_t rx_size;
	uint16_t tag;
	uint8_t type;
	bool busy, in_flight;
	uint8_t tx[P9_SMALL], small[P9_SMALL];
};
_Static_assert(sizeof(struct p9_slot) <= PAGE_SIZE, "a 9P request fits a page");

/* The server's handle of a file. Owned by *owner, which the client clears when it takes an idle fid back to stay below
 * the limit; users > 0 or pinned prevents that. */
struct p9_fid {
	struct list link; /* client's idle list, oldest first; or the queue of fids to be clunked */
	struct p9_fid **owner;
	uint32_t num;
	uint32_t iounit;  /* most data bytes in one read or write; set when it is opened */
	unsigned users;
	bool pinned, dropped;
};

struct p9_client {
	struct list link; /* all clients */
	int dev;
	uint32_t msize;
	struct p9_slot *slots[P9_SLOTS];
	unsigned in_flight, idle_slots;
	struct waitq slot_free, transport_room, fid_free;
	struct list idle, clunks;
	unsigned fids, clunking;
	uint64_t fid_nums[P9_FID_NUMS / 64];
};

/* Finds the export and negotiates. -ENODEV, -EBUSY (it is mounted already), -EIO, -EPROTO, -ENOMEM. May sleep. */
int p9_client_new(const char *tag, struct p9_client **out);
/* Waits for what is under way. Every fid must have been dropped. */
void p9_client_free(struct p9_client *c);

/* A request of this type with a free tag; sleeps until there is one. */
struct p9_slot *p9_begin(struct p9_client *c, uint8_t type);
/* Room for a reply larger than P9_SMALL; buf stays the caller's and must last until p9_end(). */
void p9_reply_buffer(struct p9_slot *s, void *buf, size_t size);
/* More to send, or room for the rest of a reply whose head is `head` bytes long. Physically contiguous kernel
 * memory. */
void p9_add_out(struct p9_slot *s, void *base, size_t len);
void p9_add_in(struct p9_slot *s, size_t head, void *base, size_t len);
/* Sends and waits: 0, with s->in behind the reply's header; the server's -errno; -EIO. */
int p9_call(struct p9_client *c, struct p9_slot *s);
void p9_end(struct p9_client *c, struct p9_slot *s);
int p9_call_end(struct p9_client *c, struct p9_slot *s); /* both, for replies without a body of interest */

/* A new fid in use by the caller; unknown to the server until a walk or an attach succeeded. -ENOMEM, -ENFILE. */
int p9_fid_new(struct p9_client *c, struct p9_fid **out);
/* Never established: forgotten without a clunk. */
void p9_fid_discard(struct p9_client *c, struct p9_fid *f);
void p9_fid_use(struct p9_fid *f);
void p9_fid_put(struct p9_client *c, struct p9_fid *f);
/* Gives the fid (in use) to *owner, which must be empty, and ends the use. */
void p9_fid_give(struct p9_client *c, struct p9_fid *f, struct p9_fid **owner);
/* The owner does not want it any more; clunked once nobody uses it. Does not sleep. *owner may be NULL already. */
void p9_fid_drop(struct p9_client *c, struct p9_fid **owner);
/* Ends the use of a fid without owner and clunks it. Does not sleep. */
void p9_fid_clunk(struct p9_client *c, struct p9_fid *f);

/* IRQ_9P arrived. */
void p9_irq(void);

/* ---- calls: 0 or -errno ---- */

int p9_attach(struct p9_client *c, struct p9_fid *f, struct p9_qid *qid);
/* Walks `names` (n ≤ 16; 0 clones) from `from` to the new fid, which is discarded or clunked when that fails (-ENOENT
 * when not all names are there). The names must fit a message: p9_walk_fits(). *qid: of the last, if n > 0. */
struct p9_str {
	const char *s;
	size_t len;
};
int p9_walk(struct p9_client *c, struct p9_fid *from, struct p9_fid *to, const struct p9_str *names, unsigned n,
	    struct p9_qid *qid);
int p9_getattr(struct p9_client *c, struct p9_fid *f, struct p9_attr *a);
int p9_lopen(struct p9_client *c, struct p9_fid *f, uint32_t flags);
/* The most data that one message may carry for a fid whose open said `iounit`. */
uint32_t p9_data_max(const struct p9_client *c, uint32_t iounit);
/* Up to iounit bytes at off, at most `len`, from or to n pages, beginning `skip` bytes into the first: bytes, 0 at
 * the end of the file (read), -errno. Short counts are possible. */
long p9_read(struct p9_client *c, struct p9_fid *f, struct page **pages, size_t skip, uint64_t off, size_t len);
long p9_write(struct p9_client *c, struct p9_fid *f, struct page **pages, size_t skip, uint64_t off, size_t len);

#endif
