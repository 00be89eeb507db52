//go:build linux && (amd64 || arm64 || 386)

package sigexit

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// codes has the exit code for each signal number. The handler reads it.
var codes [65]uint8

// handlerAddr is where the handler's code begins; set by the linker.
var handlerAddr uintptr

// A sigaction is what rt_sigaction(2) takes on these machines: not the struct
// of the C library.
type sigaction struct {
	handler  uintptr
	flags    uintptr
	restorer uintptr
	mask     uint64
}

const (
	saOnStack  = 0x08000000 // the thread's stack may be a goroutine's, too small for a frame
	saRestorer = 0x04000000 // amd64 delivers nothing without it; the handler never returns to it
)

// On makes each of the signals end the process with code, 0 to 255, from now
// on. It works in all threads.
func On(code uint8, signals ...unix.Signal) error {
	act := sigaction{handler: handlerAddr, flags: saOnStack | saRestorer, restorer: handlerAddr}
	for _, s := range signals {
		codes[s] = code
		_, _, no := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&act)), 0, unsafe.Sizeof(act.mask), 0, 0)
		if no != 0 {
			return sys.NewError("sigaction", "", no)
		}
	}
	return nil
}
