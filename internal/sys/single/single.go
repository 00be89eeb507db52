// Package single is the entry point of programs that do one thing at a time: it
// puts GOMAXPROCS=1 at the front of the environment before the Go run-time looks
// there, unless the environment has such a variable. The run-time then starts two
// or three threads less, which is about a third of what its start costs; nothing
// that runs later can save that.
//
// A program gets it by importing the package and being linked with
//
//	-ldflags '-E goqmail_single'
//
// Linked without it, the program starts as every other Go program, and Entered
// tells so. There is such an entry for linux on amd64, arm64 and 386.
package single

// entered is 1 if the variable was added. The machine code sets it.
var entered uint32

// Entered tells whether the first variable of the environment is the one that was
// added here, and so none of the caller's.
func Entered() bool { return entered != 0 }
