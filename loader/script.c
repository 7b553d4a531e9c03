/* `#!` lines: "#! interpreter [one argument]", as execve(2) describes them. The argument is the rest of the line without
 * the blanks around it, spaces inside included. */
#include "core/lib/string.h"
#include "loader/loader.h"
#include "shim/abi/errno.h"

static bool blank(char c) { return c == ' ' || c == '\t'; }

int script_parse(char *head, size_t len, char **interp, char **arg)
{
	char *end = memchr(head, '\n', len), *p = head + 2;
	bool cut = false;

	/* Without a newline the line may be cut: only a path that ends before the limit is known to be whole. The last
	 * byte of a full head only tells that; it then ends the argument. */
	if (!end) {
		end = head + (len < EXEC_HEAD ? len : EXEC_HEAD - 1);
		cut = len >= EXEC_HEAD && *end && !blank(*end);
	}
	while (p < end && blank(*p))
		p++;
	*interp = p;
	while (p < end && *p && !blank(*p))
		p++;
	if (p == *interp || (p == end && cut))
		return -ENOEXEC;
	char *stop = p;

	while (p < end && blank(*p))
		p++;
	while (end > p && blank(end[-1]))
		end--;
	*end = 0;
	*arg = p < end && *p ? p : NULL;
	*stop = 0;
	return 0;
}
