/* kprintf: kernel messages through a fixed line buffer; a longer message is cut. */
#include "core/printf.h"
#include "core/lib/util.h"
#include "plat/plat.h"

void kprintf(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	plat_log(line, MIN((size_t)n, sizeof(line) - 1));
}
