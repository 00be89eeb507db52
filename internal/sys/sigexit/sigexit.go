// Package sigexit lets a signal end the process with an exit code of its own
// choosing, at once, without the Go scheduler, a goroutine or another thread.
//
// qmail-queue promises exit codes to whoever signals it: 52 for SIGALRM, 81
// for the signals of a crash (spec/queue.md section 6). os/signal could do the
// first, at a tenth of a millisecond for each message, but not the second: a
// fault inside the program itself, or the SIGABRT by which the run-time ends
// after a fatal error, never reaches a channel. Here the kernel enters a few
// instructions of machine code that do nothing but exit_group(2), so it works
// in whatever state the process is.
//
// The run-time's own handlers for the signals named are lost, which is the
// purpose. Signals that the run-time needs (SIGURG) are not for this package.
package sigexit

import (
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// Crash are the signals of a crash: a program that gets one has met its own bug,
// or somebody pretends so.
var Crash = []unix.Signal{unix.SIGILL, unix.SIGABRT, unix.SIGFPE, unix.SIGBUS, unix.SIGSEGV, unix.SIGSYS}

// Alarm is the signal that Death sends.
const Alarm = unix.SIGALRM

// Death has the kernel send Alarm to this process after d, whatever the
// process does then: also while every thread of it blocks in a read. One alarm
// replaces the one before, also one set by who started the program.
func Death(d time.Duration) error {
	_, err := unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.NsecToTimeval(int64(d))})
	return sys.NewError("setitimer", "", err)
}

// Unblock lets every signal through that the program was started with blocked.
// It is enough to do so in one thread: a signal for the process goes to any
// thread that does not block it.
func Unblock() error {
	return sys.NewError("sigprocmask", "", unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil))
}
