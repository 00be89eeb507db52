package sys

import "runtime"

// OneAtATime makes the run-time of this process run one goroutine at a time, as
// GOMAXPROCS=1 in its environment would. System calls still run side by side.
//
// For a process that stays, and mostly waits in system calls, that is cheaper: as
// long as a second processor is there to be had, the run-time's watchdog looks
// every 20 microseconds, for a millisecond and more, whether a call has ended,
// which costs more than most of what we do between calls.
func OneAtATime() { runtime.GOMAXPROCS(1) }

// Yield lets other goroutines run that can. Where one runs at a time, one that
// makes short system calls only would otherwise keep them waiting for up to 10
// milliseconds.
func Yield() { runtime.Gosched() }
