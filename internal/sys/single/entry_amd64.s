#include "textflag.h"

// The kernel enters with argc, the arguments, a null, the environment, a null
// and the auxiliary vector on the stack. All of it is copied to below, with one
// more string at the front of the environment, and the run-time started there.
TEXT goqmail_single(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVQ	0(SP), AX
	LEAQ	16(SP)(AX*8), SI	// the environment
	MOVQ	$0x4f525058414d4f47, R8	// "GOMAXPRO"
	MOVQ	SI, BX
look:
	MOVQ	0(BX), DX
	ADDQ	$8, BX
	TESTQ	DX, DX
	JEQ	auxiliary
	CMPQ	0(DX), R8
	JNE	look
	JMP	_rt0_amd64_linux(SB)	// somebody said it
auxiliary:
	MOVQ	0(BX), DX
	ADDQ	$16, BX
	TESTQ	DX, DX
	JNE	auxiliary
	MOVQ	SP, DX
	MOVQ	SP, DI
	SUBQ	BX, DI			// how much there is, negative
	LEAQ	-8(DI)(DX*1), DI
	ANDQ	$~15, DI
	MOVQ	DI, R9
before:
	MOVQ	0(DX), AX
	MOVQ	AX, 0(DI)
	ADDQ	$8, DX
	ADDQ	$8, DI
	CMPQ	DX, SI
	JNE	before
	LEAQ	·one(SB), AX
	MOVQ	AX, 0(DI)
	ADDQ	$8, DI
after:
	MOVQ	0(DX), AX
	MOVQ	AX, 0(DI)
	ADDQ	$8, DX
	ADDQ	$8, DI
	CMPQ	DX, BX
	JNE	after
	MOVQ	R9, SP
	MOVL	$1, ·entered(SB)
	JMP	_rt0_amd64_linux(SB)

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
