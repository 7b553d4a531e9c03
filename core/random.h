/* The kernel's random generator: ChaCha20 with fast key erasure, seeded by the boot blob or by
 * plat_random(). */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include "core/types.h"

#define RANDOM_SEED 32

/* Unpredictable bytes from whoever started the machine: the first ones handed out need no others then. */
void random_seed(const uint8_t seed[RANDOM_SEED]);

void random_bytes(void *buf, size_t len);
uint64_t random_u64(void);
/* Mixes application-written bytes in (write to /dev/urandom). */
void random_mix(const void *buf, size_t len);

#endif
