package sys

import (
	"runtime/debug"
	"runtime/metrics"
)

// heldMetrics are what the run-time has from the system, and what of it it gave
// back.
var heldMetrics = [...]string{"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"}

// MemoryHeld is how much memory, in bytes, the run-time of this process holds.
func MemoryHeld() uint64 {
	s := [len(heldMetrics)]metrics.Sample{{Name: heldMetrics[0]}, {Name: heldMetrics[1]}}
	metrics.Read(s[:])
	if s[0].Value.Kind() != metrics.KindUint64 || s[1].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// KeepHeapSmall has the run-time collect garbage when the heap has grown by so
// many per cent since the last time, or from about 40 KiB for each per cent on,
// instead of by 100 and from 4 MiB. It is for a process that stays, has little
// data, and would hold those 4 MiB for ever.
func KeepHeapSmall(percent int) { debug.SetGCPercent(percent) }

// GiveMemoryBack collects garbage and gives the system back what is free. It
// costs about a millisecond, and more with a large heap.
func GiveMemoryBack() { debug.FreeOSMemory() }
