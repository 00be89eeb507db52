// Package shield is the entry point of a set-user-id program: before the Go
// run-time looks at anything, it takes away what the caller controls there.
//
//   - Every string of the environment is replaced by an empty one, but the first
//     by GOMAXPROCS=1, for the reason that package single gives. The run-time
//     obeys GODEBUG, GOGC, GOMEMLIMIT, GOMAXPROCS and GOTRACEBACK also in a
//     set-user-id program: GOMAXPROCS=1000000 alone keeps it busy and hungry for
//     half a minute before main.
//   - Descriptor 2 is moved to a number of 3 or more and replaced by /dev/null,
//     so that the texts of fatal errors, goroutine dumps among them, go nowhere.
//
// It also looks whether descriptor 0 is closed, which nobody can tell any more
// once the run-time has put /dev/null in its place.
//
// A program gets it by importing the package and being linked with
//
//	-ldflags '-E goqmail_shield'
//
// Linked without it, the program starts as every other Go program, and Active
// tells so. There is a shield for linux on amd64, arm64 and 386.
// Spec: spec/queue.md, sections 6 and 12.
package shield

import "goqmail/internal/sys"

// stderr is where descriptor 2 went, or a negative error number if it was
// closed or could not be moved; 0 when the shield was not the entry point. The
// machine code sets it.
var stderr int32

// stdin is descriptor 0's flags, or a negative error number if it was closed.
// The machine code sets it.
var stdin int32

// StdinClosed tells whether the program was started without descriptor 0, if the
// shield is Active.
func StdinClosed() bool { return stdin < 0 }

// Active tells whether the program was entered through the shield.
func Active() bool { return stderr != 0 }

// Stderr is descriptor 2 as the caller gave it; -1 if he gave none.
func Stderr() sys.FD {
	switch {
	case stderr == 0:
		return 2
	case stderr < 0:
		return -1
	}
	return sys.FD(stderr)
}
