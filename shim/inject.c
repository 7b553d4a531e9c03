#include "shim/shim.h"
int inject_parse(const char *expr, char *err, size_t err_size) { return 0; }
syscall_fn *const *inject_table(syscall_fn *const *next) { return next; }
bool inject_was_applied(void) { return false; }
void inject_reset(void) {}
