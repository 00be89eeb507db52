package pipe

import "strconv"

// The wide protocol between qmail-send and a spawner is the classic one, but that
// a delivery number has four bytes. It is for more than 255 deliveries at once,
// and is agreed on at the start, if control/spawnlimit asks for it:
//
//	spawner    grant            1 byte, 255
//	qmail-send Probe            as its first command, one-byte protocol
//	spawner    ProbeReport      one-byte protocol; both use the wide one from here
//
// Any other spawner finds that the number of the probe is too large, says so in its
// report, and the one-byte protocol stays. A spawner that is not asked does not
// leave it.

// SpawnMax is the largest number of deliveries at once on a channel.
const SpawnMax = 20000

// Probe is the command that asks for the wide protocol. No spawner can mistake it
// for a delivery: there are 255 numbers at most, so 255 is not one.
var Probe = DeliveryCommand{Delnum: MaxDelnum, Mess: "1/1", Recipient: "goqmail@"}

// ProbeReport is the report that agrees to the wide protocol for as many
// deliveries as limit says.
func ProbeReport(limit int) Report {
	return Report{Delnum: MaxDelnum, Letter: Success, Text: strconv.Itoa(limit)}
}

// ParseProbeReport reads the report on the probe. ok is false when the spawner
// does not agree, or says something that is not between 1 and SpawnMax.
func ParseProbeReport(r Report) (limit int, ok bool) {
	n, err := strconv.Atoi(r.Text)
	if err != nil || n < 1 || n > SpawnMax || r != ProbeReport(n) {
		return 0, false
	}
	return n, true
}

// numberBytes is how many bytes a delivery number has.
func numberBytes(wide bool) int {
	if wide {
		return 4
	}
	return 1
}

// number reads a delivery number.
func number(b []byte) (n uint32) {
	for _, c := range b {
		n = n<<8 | uint32(c)
	}
	return n
}
