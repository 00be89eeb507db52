#include "textflag.h"

// As on amd64.
TEXT goqmail_shield(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL	0(SP), AX
	LEAL	8(SP)(AX*4), SI
	LEAL	·empty(SB), DI
scrub:
	CMPL	0(SI), $0
	JEQ	clean
	MOVL	DI, 0(SI)
	ADDL	$4, SI
	JMP	scrub
clean:
	MOVL	$221, AX	// fcntl64(2, F_DUPFD_CLOEXEC, 3)
	MOVL	$2, BX
	MOVL	$1030, CX
	MOVL	$3, DX
	INT	$0x80
	MOVL	AX, ·stderr(SB)
	MOVL	$6, AX		// close(2)
	MOVL	$2, BX
	INT	$0x80
	JMP	_rt0_386_linux(SB)

DATA ·empty(SB)/1, $0
GLOBL ·empty(SB), RODATA|NOPTR, $1
