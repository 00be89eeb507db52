package sys

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// MemoryHeld is how much memory, in bytes, this process has for itself, without
// what it shares with others that run the same program; 0 where the system does
// not tell (proc(5), statm).
func MemoryHeld() uint64 {
	const resident, shared = 1, 2 // fields, in pages
	b, err := Cwd().ReadFile("/proc/self/statm", 256)
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	if len(f) <= shared {
		return 0
	}
	all, err := strconv.ParseUint(string(f[resident]), 10, 64)
	ours, oerr := strconv.ParseUint(string(f[shared]), 10, 64)
	if err != nil || oerr != nil || ours > all {
		return 0
	}
	return (all - ours) * uint64(os.Getpagesize())
}

// KeepHeapSmall has the run-time collect garbage when the heap has grown by so
// many per cent since the last time, or from about 40 KiB for each per cent on,
// instead of by 100 and from 4 MiB. It is for a process that stays, has little
// data, and would hold those 4 MiB for ever.
func KeepHeapSmall(percent int) { debug.SetGCPercent(percent) }

// GiveMemoryBack collects garbage and gives the system back what is free. It
// costs about a millisecond, and more with a large heap.
func GiveMemoryBack() { debug.FreeOSMemory() }
