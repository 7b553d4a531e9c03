/* Timers in a red-black tree by deadline, and the kernel's clocks.
 *
 * The platform's one timer is always armed for the earliest deadline. timer_run() takes what is due, one at a time, so a
 * function may arm or cancel any timer, its own included. */
#include "core/timer.h"
#include "core/file/file.h"
#include "core/main.h"
#include "core/proc/itimer.h"
#include "plat/plat.h"

static struct rb_root timers;
static uint64_t armed = TIME_NEVER; /* what the platform was told last */
static int64_t wall_offset;         /* what clock_settime added to the platform's wall clock */

void timer_init(struct timer *t, void (*fire)(struct timer *))
{
	*t = (struct timer){ .deadline = TIME_NEVER, .fire = fire };
}

static void rearm(void)
{
	struct rb_node *first = rb_first(&timers);
	uint64_t next = first ? rb_entry(first, struct timer, node)->deadline : TIME_NEVER;

	if (next != armed) {
		armed = next;
		plat_timer_set(next);
	}
}

static void insert(struct timer *t)
{
	struct rb_node **link = &timers.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = t->deadline < rb_entry(parent, struct timer, node)->deadline ? &parent->left : &parent->right;
	}
	rb_insert(&timers, &t->node, parent, link);
}

void timer_arm(struct timer *t, uint64_t deadline)
{
	if (timer_armed(t))
		rb_remove(&timers, &t->node);
	t->deadline = deadline;
	if (deadline != TIME_NEVER)
		insert(t);
	rearm();
}

void timer_cancel(struct timer *t)
{
	if (timer_armed(t))
		timer_arm(t, TIME_NEVER);
}

void timer_run(void)
{
	uint64_t now = clock_mono();

	armed = TIME_NEVER; /* it went off */
	for (;;) {
		struct rb_node *first = rb_first(&timers);
		struct timer *t = first ? rb_entry(first, struct timer, node) : NULL;

		if (!t || t->deadline > now)
			break;
		rb_remove(&timers, &t->node);
		t->deadline = TIME_NEVER;
		t->fire(t);
	}
	armed = 0; /* whatever fire() armed: tell the platform afresh */
	rearm();
}

uint64_t clock_mono(void) { return plat_time_mono(); }

uint64_t clock_wall(void) { return plat_time_wall() + (uint64_t)wall_offset; }

void clock_wall_set(uint64_t ns)
{
	wall_offset = (int64_t)(ns - plat_time_wall());
	vdso_update();
	timerfd_clock_was_set();
	itimer_clock_was_set();
}
