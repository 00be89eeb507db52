#include "textflag.h"

// As on amd64.
TEXT goqmail_single(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL	0(SP), AX
	LEAL	8(SP)(AX*4), SI		// the environment
	MOVL	SI, BX
look:
	MOVL	0(BX), DX
	ADDL	$4, BX
	TESTL	DX, DX
	JEQ	auxiliary
	CMPL	0(DX), $0x414d4f47	// "GOMA"
	JNE	look
	CMPL	4(DX), $0x4f525058	// "XPRO"
	JNE	look
	JMP	_rt0_386_linux(SB)	// somebody said it
auxiliary:
	MOVL	0(BX), DX
	ADDL	$8, BX
	TESTL	DX, DX
	JNE	auxiliary
	MOVL	SP, DX
	MOVL	SP, DI
	SUBL	BX, DI			// how much there is, negative
	LEAL	-4(DI)(DX*1), DI
	ANDL	$~15, DI
	MOVL	DI, CX
before:
	MOVL	0(DX), AX
	MOVL	AX, 0(DI)
	ADDL	$4, DX
	ADDL	$4, DI
	CMPL	DX, SI
	JNE	before
	LEAL	·one(SB), AX
	MOVL	AX, 0(DI)
	ADDL	$4, DI
after:
	MOVL	0(DX), AX
	MOVL	AX, 0(DI)
	ADDL	$4, DX
	ADDL	$4, DI
	CMPL	DX, BX
	JNE	after
	MOVL	CX, SP
	MOVL	$1, ·entered(SB)
	JMP	_rt0_386_linux(SB)

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
