/* Reading and writing the instructions that patch.c deals in: plain functions on bytes, for unit tests as well. */
#ifndef PLAT_LINUXU_PATCH_H
#define PLAT_LINUXU_PATCH_H

#include "core/types.h"

#define PATCH_REACH 127 /* of a two-byte jump, forwards */
#define PATCH_WINDOW (PATCH_REACH + 48) /* bytes after a syscall that patch_find_padding() may want to see */

/* code points at the byte before `mov $imm32,%eax; syscall`: true when this is what follows, with nr as the immediate, and
 * the byte before is no REX prefix (41 b8 is `mov $imm32,%r8d`). */
bool patch_p1_fits(const uint8_t *code, uint32_t nr);

/* code[0..len) follows a syscall instruction; its address is `at`. Finds at least five bytes that are never executed and
 * that a two-byte jump in the syscall's place reaches: their offset in code, and how many there are; or -1. */
long patch_find_padding(const uint8_t *code, size_t len, vaddr_t at, size_t *pad_len);

/* Length of the instruction at code, at most len bytes; 0 when it is cut off or not known. */
enum insn_kind { INSN_PLAIN, INSN_PADDING, INSN_LEAVES /* never goes on to the next one */ };
size_t patch_insn_len(const uint8_t *code, size_t len, enum insn_kind *kind);

/* `jmp rel32` at `at` to `to`. */
void patch_jump_code(uint8_t out[5], vaddr_t at, vaddr_t to);

/* The 24 bytes of a trampoline at `at`: [mov $nr,%eax unless nr < 0;] lea ret(%rip),%rcx; jmp *slot(%rip). */
void patch_tramp_code(uint8_t out[24], vaddr_t at, vaddr_t slot, vaddr_t ret, int nr);

/* The reverse: the return address and number (-1: none) of a trampoline. False when it is none. */
bool patch_tramp_parse(const uint8_t *code, vaddr_t at, uint64_t *ret, int *nr);

#endif
