/* What the files of procfs share. */
#ifndef CORE_FS_PROCFS_H
#define CORE_FS_PROCFS_H

#include "core/fs/textfs.h"

struct proc;

/* procfs_pid.c: a process's directory, and its number in the root. */
extern const struct text_dir procfs_pids;
void procfs_own(struct inode *inode);

/* procfs.c: /proc/self/net. */
extern const struct text_node procfs_net[];

/* procfs_sys.c: /proc/sys. */
extern const struct text_node procfs_sys[];

/* procfs.c: the mounts as in /proc/mounts and /proc/self/mountinfo, and the number of one there. */
int procfs_mounts(const struct text_inode *t, struct seqbuf *b);
int procfs_mountinfo(const struct text_inode *t, struct seqbuf *b);
unsigned procfs_mount_id(const struct mount *m);

/* Text of at most 4096 bytes with space, tab, newline and backslash as octal escapes, as in mount tables. */
void procfs_escaped(struct seqbuf *b, const char *s);

/* cpuinfo.c */
void cpuinfo_print(struct seqbuf *b);

#endif
