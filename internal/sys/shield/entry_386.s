#include "textflag.h"

// As on amd64.
TEXT goqmail_shield(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL	0(SP), AX
	LEAL	8(SP)(AX*4), SI
	LEAL	·one(SB), DI
scrub:
	CMPL	0(SI), $0
	JEQ	clean
	MOVL	DI, 0(SI)
	LEAL	·empty(SB), DI
	ADDL	$4, SI
	JMP	scrub
clean:
	MOVL	$221, AX	// fcntl64(0, F_GETFD)
	MOVL	$0, BX
	MOVL	$1, CX
	INT	$0x80
	MOVL	AX, ·stdin(SB)
	MOVL	$221, AX	// fcntl64(2, F_DUPFD_CLOEXEC, 3)
	MOVL	$2, BX
	MOVL	$1030, CX
	MOVL	$3, DX
	INT	$0x80
	MOVL	AX, ·stderr(SB)
	MOVL	$5, AX		// open("/dev/null", O_WRONLY)
	LEAL	·null(SB), BX
	MOVL	$1, CX
	INT	$0x80
	CMPL	AX, $2
	JEQ	start		// 2 was closed and is /dev/null now
	TESTL	AX, AX
	JLT	start		// no /dev/null: 2 stays what it is
	MOVL	AX, BX
	MOVL	$63, AX		// dup2(that, 2)
	MOVL	$2, CX
	INT	$0x80
	MOVL	$6, AX		// close(that), which may be 0 or 1
	INT	$0x80
start:
	JMP	_rt0_386_linux(SB)

DATA ·empty(SB)/1, $0
GLOBL ·empty(SB), RODATA|NOPTR, $1

DATA ·null+0(SB)/8, $"/dev/nul"
DATA ·null+8(SB)/2, $"l\x00"
GLOBL ·null(SB), RODATA|NOPTR, $10

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
