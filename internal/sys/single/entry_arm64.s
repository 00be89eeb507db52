#include "textflag.h"

// As on amd64.
TEXT goqmail_single(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVD	0(RSP), R0
	ADD	$16, RSP, R1
	ADD	R0<<3, R1, R1		// the environment
	MOVD	$0x4f525058414d4f47, R8	// "GOMAXPRO"
	MOVD	R1, R2
look:
	MOVD	(R2), R3
	ADD	$8, R2
	CBZ	R3, auxiliary
	MOVD	(R3), R4
	CMP	R8, R4
	BNE	look
	JMP	_rt0_arm64_linux(SB)	// somebody said it
auxiliary:
	MOVD	(R2), R3
	ADD	$16, R2
	CBNZ	R3, auxiliary
	MOVD	RSP, R5
	SUB	R5, R2, R6		// how much there is
	SUB	R6, R5, R6
	SUB	$8, R6
	AND	$~15, R6
	MOVD	R6, R9
before:
	MOVD	(R5), R4
	MOVD	R4, (R6)
	ADD	$8, R5
	ADD	$8, R6
	CMP	R1, R5
	BNE	before
	MOVD	$·one(SB), R4
	MOVD	R4, (R6)
	ADD	$8, R6
after:
	MOVD	(R5), R4
	MOVD	R4, (R6)
	ADD	$8, R5
	ADD	$8, R6
	CMP	R2, R5
	BNE	after
	MOVD	R9, RSP
	MOVD	$1, R4
	MOVW	R4, ·entered(SB)
	JMP	_rt0_arm64_linux(SB)

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
