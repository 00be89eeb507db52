// Package sig receives signals. It is a package of its own because linking
// os/signal and asking for a signal costs start-up time, which programs that
// run once for each message must not pay.
package sig

import (
	"os"
	"os/signal"
	"syscall"
)

// A Signal is a signal's number.
type Signal = syscall.Signal

// Signals that the suite reacts to.
const (
	HUP  = syscall.SIGHUP
	INT  = syscall.SIGINT
	KILL = syscall.SIGKILL // only to be sent
	TERM = syscall.SIGTERM
	ALRM = syscall.SIGALRM
	CHLD = syscall.SIGCHLD
	PIPE = syscall.SIGPIPE
	QUIT = syscall.SIGQUIT
	XFSZ = syscall.SIGXFSZ
	XCPU = syscall.SIGXCPU
	USR1 = syscall.SIGUSR1

	VTALRM = syscall.SIGVTALRM
	PROF   = syscall.SIGPROF
)

// Notify returns a channel that gets each of the signals as it comes. Several
// of one kind that arrive together may count as one, as with any signal.
func Notify(which ...syscall.Signal) <-chan syscall.Signal {
	in := make(chan os.Signal, 16)
	for _, s := range which {
		signal.Notify(in, s)
	}
	out := make(chan syscall.Signal, 16)
	go func() {
		for s := range in {
			if n, ok := s.(syscall.Signal); ok {
				out <- n
			}
		}
	}()
	return out
}

// Ignore ignores the signals here and in every program started from here.
func Ignore(which ...syscall.Signal) {
	for _, s := range which {
		signal.Ignore(s)
	}
}
