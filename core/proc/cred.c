/* Identity: reference-counted and immutable once shared. A change makes a copy, changes it and replaces the process's. */
#include "core/proc/cred.h"
#include "core/lib/string.h"
#include "core/mm/slab.h"
#include "core/printf.h"
#include "core/proc/proc.h"
#include "core/sched.h"

static struct cred root_cred = { .refs = 1 };

struct cred *cred_new(void)
{
	struct cred *c = kzalloc(sizeof(*c));

	if (c)
		c->refs = 1;
	return c;
}

struct cred *cred_copy(const struct cred *from)
{
	struct cred *c = kmalloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = *from;
	c->refs = 1;
	c->groups = NULL;
	if (!c->ngroups)
		return c;
	c->groups = kmalloc(c->ngroups * sizeof(*c->groups));
	if (!c->groups) {
		kfree(c);
		return NULL;
	}
	memcpy(c->groups, from->groups, c->ngroups * sizeof(*c->groups));
	return c;
}

struct cred *cred_get(struct cred *c)
{
	c->refs++;
	return c;
}

void cred_put(struct cred *c)
{
	if (!c)
		return;
	kassert(c->refs > 0);
	if (--c->refs)
		return;
	kfree(c->groups);
	kfree(c);
}

const struct cred *cred_current(void)
{
	struct proc *p = current_proc();

	return p ? p->cred : &root_cred;
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
	if (c->fsgid == gid)
		return true;
	for (uint32_t i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

bool cred_is_root(const struct cred *c) { return c->euid == 0; }
