/* Reading and writing the instructions that patch.c deals in. Encodings: Intel SDM volume 2, appendix A.
 *
 * The length decoder knows general-purpose and SSE instructions; anything else (VEX, EVEX, invalid) ends a search. It
 * is only ever started at a known instruction boundary. Padding is what compilers and linkers put between functions
 * and before aligned labels: nops or int3 up to a 16-byte boundary. It is dead only after an instruction that never
 * goes on to the next; elsewhere the program runs through it. */
#include "plat/linuxu/patch.h"
#include "core/lib/string.h"

enum operand { NONE, MODRM = 1, IMM8 = 2, IMM16 = 4, IMMZ = 8, IMMV = 16, MOFFS = 32, BAD = 64 };

static unsigned operands_1(uint8_t op)
{
	if (op < 0x40) {
		static const uint8_t row[8] = { MODRM, MODRM, MODRM, MODRM, IMM8, IMMZ, BAD, BAD };

		return row[op & 7];
	}
	switch (op) {
	case 0x50 ... 0x5f: case 0x6c ... 0x6f: case 0x90 ... 0x99: case 0x9b ... 0x9f: case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf: case 0xc3: case 0xc9: case 0xcc: case 0xd7: case 0xec ... 0xef: case 0xf4: case 0xf5:
	case 0xf8 ... 0xfd:
		return NONE;
	case 0x63: case 0x84 ... 0x8e: case 0xd0 ... 0xd3: case 0xd8 ... 0xdf: case 0xf6: case 0xf7: case 0xfe: case 0xff:
		return MODRM;
	case 0x6a: case 0x70 ... 0x7f: case 0xa8: case 0xb0 ... 0xb7: case 0xcd: case 0xe0 ... 0xe7: case 0xeb:
		return IMM8;
	case 0x68: case 0xa9: case 0xe8: case 0xe9:
		return IMMZ;
	case 0x6b: case 0x80: case 0x83: case 0xc0: case 0xc1: case 0xc6:
		return MODRM | IMM8;
	case 0x69: case 0x81: case 0xc7:
		return MODRM | IMMZ;
	case 0xb8 ... 0xbf:
		return IMMV;
	case 0xa0 ... 0xa3:
		return MOFFS;
	case 0xc2:
		return IMM16;
	default:
		return BAD;
	}
}

static unsigned operands_0f(uint8_t op)
{
	switch (op) {
	case 0x05: case 0x0b: case 0x31: case 0x77: case 0xa0 ... 0xa2: case 0xa8: case 0xa9: case 0xc8 ... 0xcf:
		return NONE;
	case 0x70 ... 0x73: case 0xa4: case 0xac: case 0xba: case 0xc2: case 0xc4 ... 0xc6:
		return MODRM | IMM8;
	case 0x80 ... 0x8f:
		return IMMZ;
	case 0x0d: case 0x10 ... 0x1f: case 0x28 ... 0x2f: case 0x40 ... 0x6f: case 0x74 ... 0x76: case 0x7c ... 0x7f:
	case 0x90 ... 0x9f: case 0xa3: case 0xa5: case 0xab: case 0xad ... 0xb9: case 0xbb ... 0xc1: case 0xc3: case 0xc7:
	case 0xd0 ... 0xfe:
		return MODRM;
	default:
		return BAD;
	}
}

/* ModR/M byte, SIB and displacement. */
static size_t modrm_len(const uint8_t *p, size_t left)
{
	unsigned mod, rm;
	size_t n = 1;

	mod = p[0] >> 6;
	rm = p[0] & 7;
	if (mod == 3)
		return 1;
	if (left < 2)
		return 2; /* cut off */
	if (rm == 4) {
		n++;
		if (mod == 0 && (p[1] & 7) == 5)
			n += 4;
	} else if (mod == 0 && rm == 5) {
		n += 4;
	}
	return n + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

size_t patch_insn_len(const uint8_t *code, size_t len, enum insn_kind *kind)
{
	bool opsize = false, rex_w = false, two_byte = false, plain_90 = true;
	unsigned ops, reg = 0;
	size_t i = 0;
	uint8_t op;

	*kind = INSN_PLAIN;
	for (; i < len && i < 14; i++) {
		op = code[i];
		plain_90 &= op == 0x66 || op == 0x90; /* f3 90 is pause, 41 90 exchanges registers */
		if (op == 0x66)
			opsize = true;
		else if (op != 0x67 && op != 0xf2 && op != 0xf3 && op != 0xf0 && op != 0x2e && op != 0x36 && op != 0x3e &&
			 op != 0x26 && op != 0x64 && op != 0x65)
			break;
	}
	if (i < len && (code[i] & 0xf0) == 0x40)
		rex_w = code[i++] & 8;
	if (i >= len)
		return 0;
	op = code[i++];
	if (op == 0x0f) {
		if (i >= len)
			return 0;
		two_byte = true;
		op = code[i++];
		ops = op == 0x38 ? MODRM : op == 0x3a ? MODRM | IMM8 : operands_0f(op);
		i += op == 0x38 || op == 0x3a;
	} else {
		ops = operands_1(op);
	}
	if (ops & BAD)
		return 0;
	if (ops & MODRM) {
		if (i >= len)
			return 0;
		reg = (code[i] >> 3) & 7;
		i += modrm_len(code + i, len - i);
	}
	if (!two_byte && (op == 0xf6 || op == 0xf7) && reg < 2)
		ops |= op == 0xf6 ? IMM8 : IMMZ;
	i += ops & IMM8 ? 1 : 0;
	i += ops & IMM16 ? 2 : 0;
	i += ops & MOFFS ? 8 : 0;
	if (ops & IMMV)
		i += rex_w ? 8 : opsize ? 2 : 4;
	if (ops & IMMZ) /* near branches keep 32 bits in 64-bit mode */
		i += opsize && !(two_byte || op == 0xe8 || op == 0xe9) ? 2 : 4;
	if (i > len)
		return 0;
	if (two_byte ? op == 0x0b : op == 0xc3 || op == 0xc2 || op == 0xe9 || op == 0xeb || op == 0xf4 ||
					    (op == 0xff && (reg == 4 || reg == 5)))
		*kind = INSN_LEAVES;
	else if (two_byte ? op == 0x1f : (op == 0x90 && plain_90) || op == 0xcc)
		*kind = INSN_PADDING;
	return i;
}

/* musl's __syscall_cp_asm (src/thread/x86_64/syscall_cp.s) ends in these instructions before its syscall: every read,
 * write and the like goes through it, and there is no padding in reach. The last one, mov %r11,8(%rsp), can be
 * moved. */
static const uint8_t musl_syscall_cp[] = {
	0x48, 0x89, 0xce, 0x4c, 0x89, 0xc2, 0x4d, 0x89, 0xca, 0x4c, 0x8b, 0x44, 0x24, 0x08, 0x4c, 0x8b, 0x4c, 0x24, 0x10,
	0x4c, 0x89, 0x5c, 0x24, 0x08,
};
_Static_assert(sizeof(musl_syscall_cp) <= PATCH_BACK, "the sequence is looked for in PATCH_BACK bytes");

/* mov $nr,%eax, if the byte before is no REX prefix (41 b8 is mov $imm32,%r8d). That the immediate is the very number
 * which trapped makes it sure that this is the instruction, and that the syscall was not jumped to with another
 * number. */
bool patch_can_move(const uint8_t *code, uint32_t nr)
{
	const uint8_t *end = code + PATCH_BACK;
	uint32_t imm;

	memcpy(&imm, end - 4, sizeof(imm));
	if (end[-5] == 0xb8 && (end[-6] & 0xf0) != 0x40 && imm == nr)
		return true;
	return memcmp(end - sizeof(musl_syscall_cp), musl_syscall_cp, sizeof(musl_syscall_cp)) == 0;
}

/* How many bytes of padding start at code[i] and reach the next 16-byte boundary; 0 if something else is in between. */
static size_t padding_at(const uint8_t *code, size_t i, size_t len, vaddr_t at)
{
	size_t start = i, boundary = i + (-(at + i) & 15);

	while (i < boundary) {
		enum insn_kind kind;
		size_t n = patch_insn_len(code + i, len - i, &kind);

		if (n == 0 || kind != INSN_PADDING)
			return 0;
		i += n;
	}
	return i - start;
}

bool patch_crashes(const uint8_t *code, size_t len)
{
	/* endbr64; push %rbp; mov %rsp,%rbp: may come first. */
	static const struct {
		uint8_t len, bytes[4];
	} prologue[] = { { 4, { 0xf3, 0x0f, 0x1e, 0xfa } }, { 1, { 0x55 } }, { 3, { 0x48, 0x89, 0xe5 } } };

	for (size_t i = 0; i < 3; i++) {
		if (len >= prologue[i].len && memcmp(code, prologue[i].bytes, prologue[i].len) == 0) {
			code += prologue[i].len;
			len -= prologue[i].len;
		}
	}
	return (len >= 1 && code[0] == 0xf4) || (len >= 2 && code[0] == 0x0f && code[1] == 0x0b);
}

static bool call_never_returns(const uint8_t *insn, size_t n, vaddr_t next, patch_no_return_fn *no_return, void *arg)
{
	int32_t rel;

	if (n != 5 || insn[0] != 0xe8)
		return false;
	memcpy(&rel, insn + 1, sizeof(rel));
	return no_return(arg, next + (uint64_t)(int64_t)rel);
}

long patch_find_padding(const uint8_t *code, size_t len, vaddr_t at, patch_no_return_fn *no_return, void *arg, size_t *pad_len)
{
	bool dead = false;

	for (size_t i = 0; i <= PATCH_REACH;) {
		enum insn_kind kind;
		size_t n;

		if (dead && (n = padding_at(code, i, len, at)) >= 5) {
			*pad_len = n;
			return (long)i;
		}
		n = patch_insn_len(code + i, len - i, &kind);
		if (n == 0)
			return -1;
		if (kind == INSN_PADDING)
			dead &= ((at + i + n) & 15) != 0;
		else
			dead = kind == INSN_LEAVES || call_never_returns(code + i, n, at + i + n, no_return, arg);
		i += n;
	}
	return -1;
}

void patch_jump_code(uint8_t out[5], vaddr_t at, vaddr_t to)
{
	int32_t rel = (int32_t)(to - (at + 5));

	out[0] = 0xe9;
	memcpy(out + 1, &rel, sizeof(rel));
}

void patch_tramp_code(uint8_t out[24], vaddr_t at, vaddr_t slot, vaddr_t ret, const uint8_t *moved)
{
	uint8_t *p = out;
	int32_t rel;

	memset(out, 0xcc, 24);
	if (moved) {
		memcpy(p, moved, 5);
		p += 5;
	}
	*p++ = 0x48; /* lea rel(%rip),%rcx */
	*p++ = 0x8d;
	*p++ = 0x0d;
	rel = (int32_t)(ret - (at + (uint64_t)(p - out) + 4));
	memcpy(p, &rel, 4);
	p += 4;
	*p++ = 0xff; /* jmp *rel(%rip) */
	*p++ = 0x25;
	rel = (int32_t)(slot - (at + (uint64_t)(p - out) + 4));
	memcpy(p, &rel, 4);
}

/* With a moved instruction, at the jump that took its place, since it may not have run yet and may run again; else at
 * the syscall's place. Nothing else has happened: rcx is lost in a syscall anyway. */
vaddr_t patch_tramp_restart(const uint8_t code[24], vaddr_t at)
{
	static const uint8_t lea[3] = { 0x48, 0x8d, 0x0d };
	const uint8_t *p = code;
	int32_t rel;
	bool moved = memcmp(p, lea, 3) != 0;

	if (moved)
		p += 5;
	if (memcmp(p, lea, 3) != 0)
		return 0;
	memcpy(&rel, p + 3, 4);
	return at + (uint64_t)(p - code) + 7 + (uint64_t)(int64_t)rel - (moved ? 7 : 2);
}
