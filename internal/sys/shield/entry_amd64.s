#include "textflag.h"

// The kernel enters with argc, the arguments, a null, the environment, a null
// and the auxiliary vector on the stack. Only the environment's pointers are
// changed, so that the run-time finds the rest where it was.
TEXT goqmail_shield(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVQ	0(SP), AX
	LEAQ	16(SP)(AX*8), BX
	LEAQ	·empty(SB), CX
scrub:
	CMPQ	0(BX), $0
	JEQ	clean
	MOVQ	CX, 0(BX)
	ADDQ	$8, BX
	JMP	scrub
clean:
	MOVL	$72, AX		// fcntl(2, F_DUPFD_CLOEXEC, 3)
	MOVL	$2, DI
	MOVL	$1030, SI
	MOVL	$3, DX
	SYSCALL
	MOVL	AX, ·stderr(SB)
	MOVL	$3, AX		// close(2)
	MOVL	$2, DI
	SYSCALL
	JMP	_rt0_amd64_linux(SB)

DATA ·empty(SB)/1, $0
GLOBL ·empty(SB), RODATA|NOPTR, $1
