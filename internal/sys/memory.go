package sys

import "runtime/metrics"

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
