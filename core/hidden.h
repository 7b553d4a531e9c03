/* Included before every file of the kernel: all symbols, declared ones too, are hidden, so that code reaches them directly
 * and never through a global offset table. */
#pragma GCC visibility push(hidden)
