/* The serial line at port 0x3f8 (16550): kernel messages when there is no control channel. Output only, by polling; a
 * port that is not there (reads as all ones) is left alone, one that stays busy is given up after a while. */
#include "plat/kvm/kvm.h"

#define PORT 0x3f8
#define REG_DATA    (PORT + 0)
#define REG_IRQ     (PORT + 1)
#define REG_FIFO    (PORT + 2)
#define REG_LINE    (PORT + 3)
#define REG_MODEM   (PORT + 4)
#define REG_STATUS  (PORT + 5)
#define REG_SCRATCH (PORT + 7)

#define LINE_8N1 0x03
#define LINE_DIVISOR_ACCESS 0x80
#define FIFO_ON_CLEAR 0x07
#define MODEM_DTR_RTS 0x03
#define STATUS_TX_EMPTY 0x20

static bool present;

void serial_init(void)
{
	outb(REG_SCRATCH, 0x5a);
	present = inb(REG_SCRATCH) == 0x5a;
	if (!present)
		return;
	outb(REG_IRQ, 0);
	outb(REG_LINE, LINE_DIVISOR_ACCESS);
	outb(REG_DATA, 1); /* 115200 bit/s */
	outb(REG_IRQ, 0);
	outb(REG_LINE, LINE_8N1);
	outb(REG_FIFO, FIFO_ON_CLEAR);
	outb(REG_MODEM, MODEM_DTR_RTS);
}

static void put(char c)
{
	unsigned patience = 100000;

	while (!(inb(REG_STATUS) & STATUS_TX_EMPTY))
		if (--patience == 0) {
			present = false;
			return;
		}
	outb(REG_DATA, (uint8_t)c);
}

void serial_write(const char *text, size_t len)
{
	for (size_t i = 0; i < len && present; i++) {
		if (text[i] == '\n')
			put('\r');
		put(text[i]);
	}
}
