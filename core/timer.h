/* Timers on the monotonic clock, and the kernel's clocks. A timer calls a function from trap_irq() context: it must not
 * sleep; it usually wakes a queue. */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "core/lib/rbtree.h"

struct timer {
	struct rb_node node;
	uint64_t deadline; /* ns, monotonic; TIME_NEVER when not armed */
	void (*fire)(struct timer *t);
};

void timer_init(struct timer *t, void (*fire)(struct timer *));
void timer_arm(struct timer *t, uint64_t deadline); /* moves it when armed; a past deadline fires at the next chance */
void timer_cancel(struct timer *t);                 /* harmless when not armed */
static inline bool timer_armed(const struct timer *t) { return t->deadline != TIME_NEVER; }

/* Fires what is due; called by trap_irq(IRQ_TIMER). */
void timer_run(void);

/* Clocks, ns. clock_mono() is plat_time_mono(); wall time may have been set by the application (clock_settime). */
uint64_t clock_mono(void);
uint64_t clock_wall(void);
void clock_wall_set(uint64_t ns);

#endif
