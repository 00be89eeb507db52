#include "textflag.h"

// The kernel enters with argc, the arguments, a null, the environment, a null
// and the auxiliary vector on the stack. Only the environment's pointers are
// changed, so that the run-time finds the rest where it was.
TEXT goqmail_shield(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVQ	0(SP), AX
	LEAQ	16(SP)(AX*8), BX
	LEAQ	·one(SB), CX	// for the first, if there is one
scrub:
	CMPQ	0(BX), $0
	JEQ	clean
	MOVQ	CX, 0(BX)
	LEAQ	·empty(SB), CX
	ADDQ	$8, BX
	JMP	scrub
clean:
	MOVL	$72, AX		// fcntl(0, F_GETFD)
	MOVL	$0, DI
	MOVL	$1, SI
	SYSCALL
	MOVL	AX, ·stdin(SB)
	MOVL	$72, AX		// fcntl(2, F_DUPFD_CLOEXEC, 3)
	MOVL	$2, DI
	MOVL	$1030, SI
	MOVL	$3, DX
	SYSCALL
	MOVL	AX, ·stderr(SB)
	MOVL	$2, AX		// open("/dev/null", O_WRONLY)
	LEAQ	·null(SB), DI
	MOVL	$1, SI
	SYSCALL
	CMPL	AX, $2
	JEQ	start		// 2 was closed and is /dev/null now
	TESTL	AX, AX
	JLT	start		// no /dev/null: 2 stays what it is
	MOVL	AX, BX
	MOVL	$33, AX		// dup2(that, 2)
	MOVL	BX, DI
	MOVL	$2, SI
	SYSCALL
	MOVL	$3, AX		// close(that), which may be 0 or 1
	MOVL	BX, DI
	SYSCALL
start:
	JMP	_rt0_amd64_linux(SB)

DATA ·empty(SB)/1, $0
GLOBL ·empty(SB), RODATA|NOPTR, $1

DATA ·null+0(SB)/8, $"/dev/nul"
DATA ·null+8(SB)/2, $"l\x00"
GLOBL ·null(SB), RODATA|NOPTR, $10

DATA ·one+0(SB)/8, $"GOMAXPRO"
DATA ·one+8(SB)/5, $"CS=1\x00"
GLOBL ·one(SB), RODATA|NOPTR, $13
