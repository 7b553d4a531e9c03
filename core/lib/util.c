/* Formatting, number parsing and hashing of our own.
 *
 * kvsnprintf() is the one formatter: kprintf, seqbuf and ksnprintf stand on it. It does no floating point, no wide
 * characters and no %n, writes never past `size`, and counts what it could not write. */
#include "core/lib/util.h"
#include "core/lib/string.h"
#include "shim/abi/errno.h"

struct out {
	char *buf;
	size_t size, len; /* len: of the whole text, written or not */
};

struct spec {
	bool left, zero, plus, space, alt, upper;
	int width, prec; /* prec < 0: none given */
};

/* The arguments, in a structure because a va_list cannot be passed by reference from everywhere. */
struct args {
	va_list ap;
};

static void out_char(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void out_fill(struct out *o, char c, int n)
{
	for (; n > 0; n--)
		out_char(o, c);
}

static void out_text(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int pad = s->width - (int)n;

	if (!s->left)
		out_fill(o, ' ', pad);
	for (size_t i = 0; i < n; i++)
		out_char(o, text[i]);
	if (s->left)
		out_fill(o, ' ', pad);
}

/* A number is: padding, sign or 0x, zeroes up to the precision, digits, padding. */
static void out_number(struct out *o, const struct spec *s, uint64_t v, unsigned base, bool negative, bool is_signed)
{
	const char *set = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[24], prefix[3];
	int n = 0, np = 0, zeroes, pad;

	if (is_signed && (negative || s->plus || s->space))
		prefix[np++] = negative ? '-' : s->plus ? '+' : ' ';
	if (s->alt && base == 16 && v) {
		prefix[np++] = '0';
		prefix[np++] = s->upper ? 'X' : 'x';
	}
	for (; v; v /= base)
		digits[n++] = set[v % base];
	if (n == 0 && s->prec != 0)
		digits[n++] = '0';
	zeroes = s->prec - n;
	if (s->zero && !s->left && s->prec < 0)
		zeroes = s->width - np - n;
	if (s->alt && base == 8 && zeroes <= 0 && (n == 0 || digits[n - 1] != '0'))
		zeroes = 1;
	if (zeroes < 0)
		zeroes = 0;
	pad = s->width - np - zeroes - n;

	if (!s->left)
		out_fill(o, ' ', pad);
	for (int i = 0; i < np; i++)
		out_char(o, prefix[i]);
	out_fill(o, '0', zeroes);
	while (n > 0)
		out_char(o, digits[--n]);
	if (s->left)
		out_fill(o, ' ', pad);
}

static int parse_int(const char **fmt)
{
	int n = 0;

	for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++) {
		if (n < 100000)
			n = n * 10 + (**fmt - '0');
	}
	return n;
}

static void parse_flags(const char **fmt, struct spec *s)
{
	for (;; (*fmt)++) {
		switch (**fmt) {
		case '-': s->left = true; break;
		case '0': s->zero = true; break;
		case '+': s->plus = true; break;
		case ' ': s->space = true; break;
		case '#': s->alt = true; break;
		default: return;
		}
	}
}

/* Bytes of an integer argument by its length modifiers. */
static unsigned parse_length(const char **fmt)
{
	switch (**fmt) {
	case 'h':
		(*fmt)++;
		if (**fmt != 'h')
			return sizeof(short);
		(*fmt)++;
		return sizeof(char);
	case 'l':
		(*fmt)++;
		if (**fmt == 'l')
			(*fmt)++;
		return sizeof(long);
	case 'z': case 't': case 'j':
		(*fmt)++;
		return sizeof(long);
	default:
		return sizeof(int);
	}
}

static int64_t truncate_signed(int64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)((uint64_t)v << shift) >> shift;
}

/* Flags, width and precision. */
static void parse_spec(const char **fmt, struct spec *s, struct args *a)
{
	*s = (struct spec){ .prec = -1 };
	parse_flags(fmt, s);
	if (**fmt == '*') {
		(*fmt)++;
		s->width = va_arg(a->ap, int);
		if (s->width < 0) {
			s->left = true;
			s->width = -s->width;
		}
	} else {
		s->width = parse_int(fmt);
	}
	if (**fmt != '.')
		return;
	(*fmt)++;
	if (**fmt == '*') {
		(*fmt)++;
		s->prec = va_arg(a->ap, int);
	} else {
		s->prec = parse_int(fmt);
	}
}

/* An integer argument of so many bytes. */
static int64_t arg_int(struct args *a, unsigned bytes)
{
	return bytes == sizeof(long) ? va_arg(a->ap, long) : va_arg(a->ap, int);
}

/* One conversion; false when c is none of ours. */
static bool out_conversion(struct out *o, struct spec *s, char c, unsigned bytes, struct args *a)
{
	const char *text;
	int64_t v;

	switch (c) {
	case 'd': case 'i':
		v = truncate_signed(arg_int(a, bytes), bytes);
		out_number(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0, true);
		return true;
	case 'u': case 'x': case 'X': case 'o':
		s->upper = c == 'X';
		out_number(o, s, (uint64_t)arg_int(a, bytes) & (~0ul >> (64 - 8 * bytes)), c == 'u' ? 10 : c == 'o' ? 8 : 16,
			   false, false);
		return true;
	case 'p':
		s->alt = true;
		out_number(o, s, (uint64_t)va_arg(a->ap, void *), 16, false, false);
		return true;
	case 'c':
		c = (char)va_arg(a->ap, int);
		out_text(o, s, &c, 1);
		return true;
	case 's':
		text = va_arg(a->ap, const char *);
		if (!text)
			text = "(null)";
		out_text(o, s, text, s->prec < 0 ? strlen(text) : strnlen(text, (size_t)s->prec));
		return true;
	case '%':
		out_char(o, '%');
		return true;
	}
	return false;
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };
	struct args a;

	va_copy(a.ap, ap);
	while (*fmt) {
		const char *start = fmt;
		struct spec s;
		unsigned bytes;
		char c;

		if (*fmt++ != '%') {
			out_char(&o, *start);
			continue;
		}
		parse_spec(&fmt, &s, &a);
		bytes = parse_length(&fmt);
		c = *fmt ? *fmt++ : '\0';
		if (out_conversion(&o, &s, c, bytes, &a))
			continue;
		while (start < fmt) /* shown as it stands */
			out_char(&o, *start++);
	}
	va_end(a.ap);
	if (size)
		buf[MIN(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (n < size) {
		memcpy(dst, src, n + 1);
		return 0;
	}
	if (size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
	}
	return -ENAMETOOLONG;
}

bool str_to_u64(const char *s, uint64_t *out)
{
	unsigned base = 10, digit;
	uint64_t v = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'f')
			digit = (unsigned)((*s | 0x20) - 'a' + 10);
		else
			return false;
		if (digit >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

uint64_t hash_bytes(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t h = 0xcbf29ce484222325ul;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3ul;
	return h;
}
