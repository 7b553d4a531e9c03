/* Reading and writing the instructions that patch.c deals in: plain functions on bytes, for unit tests as well. */
#ifndef PLAT_LINUXU_PATCH_H
#define PLAT_LINUXU_PATCH_H

#include "core/types.h"

#define PATCH_REACH 127 /* of a two-byte jump, forwards */
#define PATCH_WINDOW (PATCH_REACH + 48) /* bytes after a syscall that patch_find_padding() may want to see */

/* code[0..PATCH_BACK) precedes a syscall instruction that trapped with number nr. True when its last five bytes are one
 * instruction that may run elsewhere and twice, so that a jump can take its place. */
#define PATCH_BACK 32
bool patch_can_move(const uint8_t *code, uint32_t nr);

/* code[0..len) follows a syscall instruction; its address is `at`. Finds at least five bytes that are never executed
 * and that a two-byte jump in the syscall's place reaches: their offset in code, and how many there are; or -1.
 * no_return tells whether the function at an address is known never to return (it gets arg). */
typedef bool patch_no_return_fn(void *arg, vaddr_t function);
long patch_find_padding(const uint8_t *code, size_t len, vaddr_t at, patch_no_return_fn *no_return, void *arg, size_t *pad_len);

/* A function that begins with these bytes crashes at once, as a __stack_chk_fail() does that is nothing but hlt. */
bool patch_crashes(const uint8_t *code, size_t len);

/* Length of the instruction at code, at most len bytes; 0 when it is cut off or not known. */
enum insn_kind { INSN_PLAIN, INSN_PADDING, INSN_LEAVES /* never goes on to the next one */ };
size_t patch_insn_len(const uint8_t *code, size_t len, enum insn_kind *kind);

/* `jmp rel32` at `at` to `to`. */
void patch_jump_code(uint8_t out[5], vaddr_t at, vaddr_t to);

/* The 24 bytes of a trampoline at `at`: the five bytes of `moved`, unless NULL; lea ret(%rip),%rcx; jmp *slot(%rip). */
void patch_tramp_code(uint8_t out[24], vaddr_t at, vaddr_t slot, vaddr_t ret, const uint8_t *moved);

/* The reverse: where to start again when a trampoline was interrupted anywhere. 0 when this is none. */
vaddr_t patch_tramp_restart(const uint8_t code[24], vaddr_t at);

#endif
