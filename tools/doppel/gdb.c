/* --gdb: gdb on the runner, or on the guest through QEMU's stub, with the symbols of kernel, program and libraries loaded
 * by tools/gdb/doppel.py. */
#include "tools/doppel/doppel.h"

int run_gdb(struct run *r) { die(EXIT_DOPPEL, "--gdb is not built yet"); }
