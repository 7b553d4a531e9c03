/* What all sockets have: the families, and the options of SOL_SOCKET that are kept and told but mean nothing to most
 * families (socket(7)). The object itself is its family's: core/net/unix.c. */
#include "core/net/socket.h"
#include "core/lib/string.h"
#include "core/lib/util.h"
#include "core/net/unix.h"
#include "core/timer.h"
#include "shim/abi/errno.h"
#include "shim/abi/poll.h"
#include "shim/abi/socket.h"

#define BUF_DEFAULT 212992u /* net.core.wmem_default, and wmem_max */
#define SNDBUF_MIN 4608u    /* of setsockopt, after doubling */
#define RCVBUF_MIN 2304u

static const struct socket_ops *const families[] = { &unix_socket_ops };

static const struct socket_ops *family_ops(int family)
{
	for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i]->family == family)
			return families[i];
	return NULL;
}

int socket_new(int family, int type, int protocol, int flags, struct file **out)
{
	const struct socket_ops *ops = family_ops(family);

	return ops ? ops->create(type, protocol, flags, out) : -EAFNOSUPPORT;
}

int socket_pair(int family, int type, int protocol, int flags, struct file **a, struct file **b)
{
	const struct socket_ops *ops = family_ops(family);

	if (!ops)
		return -EAFNOSUPPORT;
	return ops->pair ? ops->pair(type, protocol, flags, a, b) : -EOPNOTSUPP;
}

void socket_init(struct socket *s, const struct socket_ops *ops, int type)
{
	s->ops = ops;
	s->type = type;
	s->sndbuf = s->rcvbuf = BUF_DEFAULT;
	s->rcvlowat = 1;
	s->rcvtimeo = s->sndtimeo = TIME_NEVER;
	waitq_init(&s->rd);
	waitq_init(&s->wr);
}

int socket_take_err(struct socket *s)
{
	int err = s->err;

	s->err = 0;
	return -err;
}

uint64_t socket_deadline(uint64_t timeo) { return timeo == TIME_NEVER ? TIME_NEVER : clock_mono() + timeo; }

/* ---- options ---- */

struct timeval_k { int64_t sec, usec; };

int socket_put_opt(void *val, unsigned *len, const void *src, unsigned size)
{
	*len = MIN(*len, size);
	memcpy(val, src, *len);
	return 0;
}

static int get_timeo(uint64_t ns, void *val, unsigned *len)
{
	struct timeval_k tv = { 0, 0 };

	if (ns != TIME_NEVER)
		tv = (struct timeval_k){ (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
	return socket_put_opt(val, len, &tv, sizeof(tv));
}

/* Options that are on or off. */
static bool is_flag(int opt)
{
	const uint64_t opts = 1ul << SO_KEEPALIVE | 1ul << SO_DEBUG | 1ul << SO_REUSEADDR | 1ul << SO_REUSEPORT |
			      1ul << SO_BROADCAST | 1ul << SO_OOBINLINE | 1ul << SO_DONTROUTE | 1ul << SO_TIMESTAMP |
			      1ul << SO_PASSCRED;

	return opt >= 0 && opt < 64 && (opts >> opt & 1);
}

int socket_getsockopt(struct file *f, int level, int opt, void *val, unsigned *len)
{
	struct socket *s = socket_of(f);
	int v = 0;

	if (level != SOL_SOCKET)
		return s->ops->getsockopt(f, level, opt, val, len);
	switch (opt) {
	case SO_TYPE: v = s->type; break;
	case SO_ERROR: v = -socket_take_err(s); break;
	case SO_SNDBUF: v = (int)s->sndbuf; break;
	case SO_RCVBUF: v = (int)s->rcvbuf; break;
	case SO_DOMAIN: v = s->ops->family; break;
	case SO_RCVLOWAT: v = s->rcvlowat; break;
	case SO_PRIORITY: v = s->priority; break;
	case SO_ACCEPTCONN: v = s->state == SS_LISTENING; break;
	case SO_LINGER:
		return socket_put_opt(val, len, s->linger, sizeof(s->linger));
	case SO_RCVTIMEO:
		return get_timeo(s->rcvtimeo, val, len);
	case SO_SNDTIMEO:
		return get_timeo(s->sndtimeo, val, len);
	default:
		if (!is_flag(opt))
			return s->ops->getsockopt(f, level, opt, val, len);
		v = socket_flag(s, opt);
	}
	return socket_put_opt(val, len, &v, sizeof(v));
}

static int set_timeo(uint64_t *out, const void *val, unsigned len)
{
	const struct timeval_k *tv = val;

	if (len < sizeof(*tv))
		return -EINVAL;
	if (tv->usec < 0 || tv->usec >= 1000000)
		return -EDOM;
	*out = TIME_NEVER;
	if (tv->sec < 0)
		*out = 0;
	else if ((tv->sec || tv->usec) && tv->sec < INT64_MAX / (int64_t)NSEC_PER_SEC)
		*out = (uint64_t)tv->sec * NSEC_PER_SEC + (uint64_t)tv->usec * NSEC_PER_USEC;
	return 0;
}

/* socket(7): the kernel doubles what is asked for. */
static size_t buf_size(int v, size_t min)
{
	size_t size = 2 * (size_t)MIN((unsigned)v, BUF_DEFAULT);

	return MAX(size, min);
}

int socket_setsockopt(struct file *f, int level, int opt, const void *val, unsigned len)
{
	struct socket *s = socket_of(f);
	int v;

	if (level != SOL_SOCKET)
		return s->ops->setsockopt(f, level, opt, val, len);
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	switch (opt) {
	case SO_RCVTIMEO:
		return set_timeo(&s->rcvtimeo, val, len);
	case SO_SNDTIMEO:
		return set_timeo(&s->sndtimeo, val, len);
	case SO_SNDBUF: case SO_SNDBUFFORCE:
		s->sndbuf = buf_size(v, SNDBUF_MIN);
		waitq_wake_all(&s->wr, POLLOUT | POLLWRNORM);
		return 0;
	case SO_RCVBUF: case SO_RCVBUFFORCE:
		s->rcvbuf = buf_size(v, RCVBUF_MIN);
		return 0;
	case SO_RCVLOWAT:
		s->rcvlowat = v > 0 ? v : 1;
		return 0;
	case SO_PRIORITY:
		s->priority = v;
		return 0;
	case SO_LINGER:
		if (len < sizeof(s->linger))
			return -EINVAL;
		memcpy(s->linger, val, sizeof(s->linger));
		s->linger[0] = v != 0;
		return 0;
	}
	if (!is_flag(opt))
		return s->ops->setsockopt(f, level, opt, val, len);
	s->flags = (s->flags & ~(1ul << opt)) | (uint64_t)(v != 0) << opt;
	return 0;
}
