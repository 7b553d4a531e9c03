/* Between procfs_pid.c, the directories of a process, and procfs_stat.c, its numbers. */
#ifndef CORE_FS_PROCFS_PID_H
#define CORE_FS_PROCFS_PID_H

#include "core/fs/procfs.h"

struct thread;

/* The process and the thread that an inode is about, without references; NULL: gone. */
struct proc *procfs_proc(const struct text_inode *t);
struct thread *procfs_thread(const struct text_inode *t);
/* Name of the thread, or of the process when it has none any more. */
const char *procfs_comm(const struct proc *p, const struct thread *th);

int procfs_stat_show(const struct text_inode *t, struct seqbuf *b);
int procfs_statm_show(const struct text_inode *t, struct seqbuf *b);
int procfs_status_show(const struct text_inode *t, struct seqbuf *b);
int procfs_limits_show(const struct text_inode *t, struct seqbuf *b);
int procfs_schedstat_show(const struct text_inode *t, struct seqbuf *b);
int procfs_io_show(const struct text_inode *t, struct seqbuf *b);
int procfs_personality_show(const struct text_inode *t, struct seqbuf *b);
int procfs_oom_show(const struct text_inode *t, struct seqbuf *b);
int procfs_oom_store(const struct text_inode *t, char *text, size_t len);

#endif
