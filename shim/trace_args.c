/* The tracer's building blocks, and the printers of plain numbers, strings, buffers, flags and pointers to one word. */
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "shim/abi/fcntl.h"
#include "shim/abi/stat.h"
#include "shim/abi/shm.h"
#include "shim/trace.h"

void trace_put(struct trace *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	seqbuf_vprintf(&t->line, fmt, ap);
	va_end(ap);
}

/* ---- names ---- */

const char *trace_name_of(uint64_t v, const struct trace_names *names)
{
	const char *name = names->names;

	for (unsigned i = 0; i < names->n; i++, name += strlen(name) + 1)
		if (names->values[i] == v)
			return name;
	return NULL;
}

void trace_value_of(struct trace *t, uint64_t v, const struct trace_names *names)
{
	const char *name = trace_name_of(v, names);

	if (name)
		trace_put(t, "%s", name);
	else if (names->unknown)
		trace_put(t, v ? "%#lx /* %s */" : "%ld /* %s */", v, names->unknown);
	else
		trace_put(t, v ? "%#lx" : "%ld", v);
}

/* FLAG|FLAG|0xrest; 0 is its own name where the table has one. */
void trace_flags_of(struct trace *t, uint64_t v, const struct trace_names *names)
{
	const char *zero = trace_name_of(0, names), *sep = "", *name = names->names;
	uint64_t left = v;

	if (!v) {
		trace_put(t, "%s", zero ? zero : "0");
		return;
	}
	for (unsigned i = 0; i < names->n && left; i++, name += strlen(name) + 1) {
		uint64_t bits = names->values[i];

		if (!bits || (left & bits) != bits)
			continue;
		trace_put(t, "%s%s", sep, name);
		left &= ~bits;
		sep = "|";
	}
	if (left == v && names->unknown)
		trace_put(t, "%#lx /* %s */", v, names->unknown);
	else if (left)
		trace_put(t, "%s%#lx", sep, left);
}

void trace_flags(struct trace *t, uint64_t v, const struct trace_names *names) { trace_flags_of(t, v, names); }
void trace_value(struct trace *t, uint64_t v, const struct trace_names *names) { trace_value_of(t, v, names); }

/* ---- numbers ---- */

void trace_int(struct trace *t, uint64_t v, const struct trace_names *names) { trace_put(t, "%d", (int)v); }
void trace_uint(struct trace *t, uint64_t v, const struct trace_names *names) { trace_put(t, "%u", (unsigned)v); }
void trace_long(struct trace *t, uint64_t v, const struct trace_names *names) { trace_put(t, "%ld", (long)v); }
void trace_ulong(struct trace *t, uint64_t v, const struct trace_names *names) { trace_put(t, "%lu", v); }
void trace_hidden(struct trace *t, uint64_t v, const struct trace_names *names) {}

void trace_hex(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_put(t, v ? "%#lx" : "%ld", v);
}

void trace_hex32(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_hex(t, (uint32_t)v, names);
}

void trace_dirfd(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if ((int)v == AT_FDCWD)
		trace_put(t, "AT_FDCWD");
	else
		trace_put(t, "%d", (int)v);
}

void trace_uid(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if ((uint32_t)v == UINT32_MAX)
		trace_put(t, "-1");
	else
		trace_put(t, "%u", (uint32_t)v);
}

/* Octal, at least three digits: 0644, 022, 000. */
void trace_mode(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_put(t, v < 0100 ? "0%02o" : "0%o", (unsigned)(v & 0xffff));
}

void trace_file_mode(struct trace *t, uint64_t v, const struct trace_names *names)
{
	const char *type = trace_name_of(v & S_IFMT, &names_file_type);

	if (type) {
		trace_put(t, "%s", type);
		trace_put(t, (v & S_ISUID) ? "|S_ISUID" : "");
		trace_put(t, (v & S_ISGID) ? "|S_ISGID" : "");
		trace_put(t, (v & S_ISVTX) ? "|S_ISVTX" : "");
		trace_put(t, "|");
		v &= 0777;
	}
	trace_mode(t, v, NULL);
}

/* open's third argument is there only when the file may be made: the flags are the argument before. */
void trace_open_mode(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->args[t->arg - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))
		trace_mode(t, v, NULL);
}

/* mknod's device is there only for device nodes. */
void trace_dev(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->arg && !S_ISCHR(t->args[t->arg - 1]) && !S_ISBLK(t->args[t->arg - 1]))
		return;
	trace_put(t, DEV_MAJOR(v) ? "makedev(%#x, " : "makedev(%d, ", DEV_MAJOR(v));
	trace_put(t, DEV_MINOR(v) ? "%#x)" : "%d)", DEV_MINOR(v));
}

void trace_open_flags(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint32_t rest = (uint32_t)v & ~(uint32_t)O_ACCMODE;
	struct trace_names bare = names_open; /* unknown bits stand without a remark */

	bare.unknown = NULL;
	trace_value_of(t, v & O_ACCMODE, &names_open_modes);
	if (!rest)
		return;
	trace_put(t, "|");
	trace_flags_of(t, rest, &bare);
}

void trace_ptr_of(struct trace *t, uint64_t v)
{
	if (v)
		trace_put(t, "%#lx", v);
	else
		trace_put(t, "NULL");
}

void trace_ptr(struct trace *t, uint64_t v, const struct trace_names *names) { trace_ptr_of(t, v); }

/* ---- bytes ---- */

static void put_escaped(struct trace *t, unsigned char c, bool digit_follows)
{
	static const char plain[] = "\n\t\v\f\r\"\\", code[] = "ntvfr\"\\";
	const char *p = c ? strchr(plain, c) : NULL;

	if (p)
		trace_put(t, "\\%c", code[p - plain]);
	else if (c >= ' ' && c < 0x7f)
		trace_put(t, "%c", c);
	else
		trace_put(t, digit_follows ? "\\%03o" : "\\%o", c);
}

void trace_quote(struct trace *t, const char *p, size_t n, size_t max, bool more)
{
	size_t shown = MIN(n, max);

	trace_put(t, "\"");
	for (size_t i = 0; i < shown; i++)
		put_escaped(t, (unsigned char)p[i], i + 1 < shown && p[i + 1] >= '0' && p[i + 1] <= '9');
	trace_put(t, "\"%s", more || n > max ? "..." : "");
}

void trace_user_bytes(struct trace *t, uptr_t addr, size_t len)
{
	char buf[STRING_MAX];

	if (!addr || (len && copyin(buf, addr, MIN(len, sizeof(buf)))))
		trace_ptr_of(t, addr);
	else
		trace_quote(t, buf, len, STRING_MAX, false);
}

void trace_buf_in(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_user_bytes(t, v, t->args[t->arg + 1]);
}

void trace_buf_out(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->ret < 0)
		trace_ptr_of(t, v);
	else
		trace_user_bytes(t, v, MIN((size_t)t->ret, t->args[t->arg + 1]));
}

void trace_buf_random(struct trace *t, uint64_t v, const struct trace_names *names)
{
	unsigned char buf[STRING_MAX];
	size_t n = t->ret < 0 ? 0 : MIN((size_t)t->ret, sizeof(buf));

	if (t->ret < 0 || copyin(buf, v, n)) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "\"");
	for (size_t i = 0; i < n; i++)
		trace_put(t, "\\x%02x", buf[i]);
	trace_put(t, "\"%s", (size_t)t->ret > n ? "..." : "");
}

/* ---- strings ---- */

/* Quotes the string at addr up to `max` characters; reads in small steps, since a page may end right after it. */
static void user_string(struct trace *t, uptr_t addr, size_t max)
{
	char *buf;
	size_t n = 0;

	if (!addr) {
		trace_ptr_of(t, addr);
		return;
	}
	buf = kmalloc(max + 1);
	while (buf && n <= max) {
		if (copyin(buf + n, addr + n, 1)) {
			trace_ptr_of(t, addr);
			goto out;
		}
		if (!buf[n])
			break;
		n++;
	}
	if (buf)
		trace_quote(t, buf, MIN(n, max), max, n > max);
out:
	kfree(buf);
}

/* Paths are printed whole, as strace does. */
void trace_path(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (t->out && t->ret < 0)
		trace_ptr_of(t, v);
	else
		user_string(t, v, PATH_MAX - 1);
}

void trace_str(struct trace *t, uint64_t v, const struct trace_names *names) { user_string(t, v, STRING_MAX); }

/* execve's arguments. */
void trace_strv(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uptr_t p;

	if (!v || copyin(&p, v, sizeof(p))) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "[");
	for (unsigned i = 0; p; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX) {
			trace_put(t, "...");
			break;
		}
		user_string(t, p, STRING_MAX);
		if (copyin(&p, v + (i + 1) * sizeof(p), sizeof(p)))
			break;
	}
	trace_put(t, "]");
}

/* ---- structures in general ---- */

bool trace_fetch(struct trace *t, void *dst, uptr_t addr, size_t size)
{
	if (addr && !(t->out && t->after && t->ret < 0) && !copyin(dst, addr, size))
		return true;
	trace_ptr_of(t, addr);
	return false;
}

/* ---- one word behind a pointer ---- */

void trace_int_at(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int word;

	if (trace_fetch(t, &word, v, sizeof(word)))
		trace_put(t, "[%d]", word);
}

/* A length that the call may change: [128 => 2]. */
void trace_len_at(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int before = (int)t->before[t->arg], word;

	if (t->had_before[t->arg] && t->ret < 0)
		trace_put(t, "[%d]", before);
	else if (!trace_fetch(t, &word, v, sizeof(word)))
		return;
	else if (t->had_before[t->arg] && before != word)
		trace_put(t, "[%d => %d]", before, word);
	else
		trace_put(t, "[%d]", word);
}

/* An offset that the call may move: [2] => [3]. */
void trace_off_at(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int64_t before = (int64_t)t->before[t->arg], word;

	if (t->had_before[t->arg] && t->ret < 0)
		trace_put(t, "[%ld]", before);
	else if (!trace_fetch(t, &word, v, sizeof(word)))
		return;
	else if (t->had_before[t->arg] && before != word)
		trace_put(t, "[%ld] => [%ld]", before, word);
	else
		trace_put(t, "[%ld]", word);
}

void trace_uid_at(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint32_t word;

	if (!trace_fetch(t, &word, v, sizeof(word)))
		return;
	trace_put(t, "[");
	trace_uid(t, word, NULL);
	trace_put(t, "]");
}

void trace_ptr_at(struct trace *t, uint64_t v, const struct trace_names *names)
{
	uint64_t word;

	if (!trace_fetch(t, &word, v, sizeof(word)))
		return;
	trace_put(t, "[");
	trace_ptr_of(t, word);
	trace_put(t, "]");
}

/* Seconds since 1970 as a remark: 2026-11-23T07:34:42+0000, with a fraction of `digits` digits when it is not 0. */
void trace_date_of(struct trace *t, int64_t sec, int64_t fraction, int digits)
{
	int64_t days = sec / 86400 - (sec % 86400 < 0), in_day = sec - days * 86400;
	int64_t era, doy, year, month;

	/* Days since 0000-03-01, in eras of 400 years: the civil calendar. */
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	days -= era * 146097;
	year = (days - days / 1460 + days / 36524 - days / 146096) / 365;
	doy = days - (365 * year + year / 4 - year / 100);
	month = (5 * doy + 2) / 153;
	trace_put(t, "%ld-%02ld-%02ldT%02ld:%02ld:%02ld", year + era * 400 + (month >= 10), month < 10 ?
		month + 3 : month - 9,
		  doy - (153 * month + 2) / 5 + 1, in_day / 3600, in_day / 60 % 60, in_day % 60);
	if (fraction)
		trace_put(t, ".%0*ld", digits, fraction);
	trace_put(t, "+0000");
}

void trace_fdpair(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int fds[2];

	if (trace_fetch(t, fds, v, sizeof(fds)))
		trace_put(t, "[%d, %d]", fds[0], fds[1]);
}

/* ---- vectors ---- */

/* limit: bytes that the vector holds in all (what a read has put there). */
void trace_iovecs(struct trace *t, uptr_t addr, uint64_t count, uint64_t limit)
{
	bool failed = t->out && t->ret < 0;
	struct abi_iovec v;

	if (!addr || (count && copyin(&v, addr, sizeof(v)))) {
		trace_ptr_of(t, addr);
		return;
	}
	trace_put(t, "[");
	for (uint64_t i = 0; i < count; i++) {
		trace_put(t, "%s", i ? ", " : "");
		if (i == ARRAY_MAX || copyin(&v, addr + i * sizeof(v), sizeof(v))) {
			trace_put(t, "...");
			break;
		}
		trace_put(t, "{iov_base=");
		if (failed)
			trace_ptr_of(t, v.base);
		else
			trace_user_bytes(t, v.base, MIN(v.len, limit));
		limit -= MIN(v.len, limit);
		trace_put(t, ", iov_len=%lu}", v.len);
	}
	trace_put(t, "]");
}

void trace_iovec(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_iovecs(t, v, t->args[t->arg + 1], UINT64_MAX);
}

void trace_iovec_out(struct trace *t, uint64_t v, const struct trace_names *names)
{
	trace_iovecs(t, v, t->args[t->arg + 1], t->ret < 0 ? 0 : (uint64_t)t->ret);
}

/* ---- System V shared memory ---- */

/* IPC_CREAT|0600 */
void trace_ipc_flags(struct trace *t, uint64_t v, const struct trace_names *names)
{
	if (v & ~0777ul) {
		trace_flags_of(t, (uint32_t)v & ~0777u, names);
		trace_put(t, "|");
	}
	trace_put(t, v & 0777 ? "0%o" : "000", (unsigned)v & 0777);
}

/* What IPC_SET passes and what the others answer; limits and usage stay an address. */
void trace_shm_buf(struct trace *t, uint64_t v, const struct trace_names *names)
{
	int cmd = (int)t->args[1];
	bool set = cmd == IPC_SET, stat = cmd == IPC_STAT || cmd == SHM_STAT || cmd == SHM_STAT_ANY;
	struct abi_shmid_ds d;

	if ((!set && (!stat || t->ret < 0)) || copyin(&d, v, sizeof(d))) {
		trace_ptr_of(t, v);
		return;
	}
	trace_put(t, "{shm_perm={uid=%u, gid=%u, mode=0%o", d.uid, d.gid, d.mode);
	if (stat)
		trace_put(t, ", key=%d, cuid=%u, cgid=%u}, shm_segsz=%lu, shm_cpid=%d, shm_lpid=%d, shm_nattch=%lu, "
			  "shm_atime=%ld, shm_dtime=%ld, shm_ctime=%ld}", d.key, d.cuid, d.cgid, d.segsz, d.cpid, d.lpid,
			  d.nattch, d.atime, d.dtime, d.ctime);
	else
		trace_put(t, "}}");
}
