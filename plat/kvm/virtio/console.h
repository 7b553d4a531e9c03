/* The control channel's bytes: one port of a virtio-serial device. console.c moves them, plat/kvm/ctl.c gives them
 * meaning. */
#ifndef PLAT_KVM_VIRTIO_CONSOLE_H
#define PLAT_KVM_VIRTIO_CONSOLE_H

#include "core/types.h"

/* Room for output that only the small frames which must never wait may use: credit, exit. */
#define CONSOLE_RESERVE 4096u

/* ---- console.c, called by ctl.c ---- */

/* Starts the device and opens its port: true when there is a channel. Waits a few seconds for a port at most. */
bool console_init(void);

/* Hands what has arrived to ctl_input() and takes back what the host has read. Does nothing when called from
 * ctl_input(). */
void console_pump(void);

/* Bytes that console_send() would take now, the reserve not counted. 0 when the channel is gone. */
size_t console_room(void);

/* Queues two pieces of memory, one behind the other, and notifies the host. All or nothing: false when there is too
 * little room (use_reserve: not even in the reserve) or the channel is gone. Nothing is queued from within itself (a
 * panic). */
bool console_send(const void *a, size_t na, const void *b, size_t nb, bool use_reserve);

/* Has console_poll() report when about half of the room is free: called after console_room() was too small. True
 * when so much is free already; then nothing will be reported. */
bool console_want_room(void);

/* There is a channel and the host end has not gone. */
bool console_alive(void);

/* True when the host has taken everything that was sent, or never will. */
bool console_drained(void);

/* ---- ctl.c, called by console.c ---- */

void ctl_input(const void *bytes, size_t n);
uint32_t ctl_expects(void);        /* bytes that are certain to follow: the rest of a frame */
void ctl_gone(void);               /* the host closed the port, or the device broke its queues; called once */
unsigned ctl_events(bool got_room); /* the IRQ_ bits of what happened since the last call */
void ctl_boot(void);               /* the channel is open: receives the boot frames */

#endif
