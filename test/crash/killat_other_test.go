//go:build e2e && !amd64

package crash

// tracerMissing says why killat cannot run here.
const tracerMissing = "a tracer for this processor"

var calls map[uint64]call

func killat() int { return 99 }
