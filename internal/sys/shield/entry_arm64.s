#include "textflag.h"

// As on amd64.
TEXT goqmail_shield(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVD	0(RSP), R0
	ADD	$16, RSP, R1
	ADD	R0<<3, R1, R1
	MOVD	$·one(SB), R2
scrub:
	MOVD	(R1), R3
	CBZ	R3, clean
	MOVD	R2, (R1)
	MOVD	$·empty(SB), R2
	ADD	$8, R1
	JMP	scrub
clean:
	MOVD	$0, R0		// fcntl(0, F_GETFD)
	MOVD	$1, R1
	MOVD	$25, R8
	SVC
	MOVW	R0, ·stdin(SB)
	MOVD	$2, R0		// fcntl(2, F_DUPFD_CLOEXEC, 3)
	MOVD	$1030, R1
	MOVD	$3, R2
	MOVD	$25, R8
	SVC
	MOVW	R0, ·stderr(SB)
	MOVD	$-100, R0	// openat(AT_FDCWD, "/dev/null", O_WRONLY)
	MOVD	$·null(SB), R1
	MOVD	$1, R2
	MOVD	$0, R3
	MOVD	$56, R8
	SVC
	CMP	$2, R0
	BEQ	start		// 2 was closed and is /dev/null now
	CMP	$0, R0
	BLT	start		// no /dev/null: 2 stays what it is
	MOVD	R0, R4
	MOVD	$2, R1		// dup3(that, 2, 0)
	MOVD	$0, R2
	MOVD	$24, R8
	SVC
	MOVD	R4, R0		// close(that), which may be 0 or 1
	MOVD	$57, R8
	SVC
start:
	JMP	_rt0_arm64_linux(SB)

DATA ·empty(SB)/1, $0
GLOBL ·empty(SB), RODATA|NOPTR, $1

DATA ·null+0(SB)/8, $"/dev/nul"
DATA ·null+8(SB)/2, $"l\x00"
GLOBL ·null(SB), RODATA|NOPTR, $10

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
