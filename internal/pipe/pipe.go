// Package pipe holds every conversation between the suite's programs over
// pipes: the bytes, who writes and reads them, and the descriptors they travel
// on. It does no I/O. A decoder returns an error and never trusts its peer;
// the peer may be a C qmail program. Spec: spec/send.md, spec/spawn.md,
// spec/queue.md section 10.
package pipe

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Descriptors of qmail-send, as qmail-start lays them out.
const (
	FDLog           = 0 // write: log lines
	FDLocalCommand  = 1 // write: to qmail-lspawn
	FDLocalReport   = 2 // read: from qmail-lspawn
	FDRemoteCommand = 3 // write: to qmail-rspawn
	FDRemoteReport  = 4 // read: from qmail-rspawn
	FDCleanRequest  = 5 // write: to qmail-clean
	FDCleanReply    = 6 // read: from qmail-clean
)

// Letters that begin a report: what became of a delivery.
const (
	Success  = 'K'
	Deferral = 'Z'
	Failure  = 'D'
)

// ErrFormat is returned for bytes that are not of the format.
var ErrFormat = errors.New("malformed pipe message")

// The grant is the first byte a spawner writes on its report pipe: how many
// deliveries it can run at once, 1 to 255. Before it nothing may be written.

// MaxDelnum is the largest delivery number of the one-byte protocol.
const MaxDelnum = 255

// A DeliveryCommand asks a spawner for one delivery:
//
//	delnum (1 byte)  "S/N" NUL  SENDER NUL  RECIPIENT NUL
//
// written by qmail-send, read by qmail-lspawn and qmail-rspawn. There is no
// answer but the report. Delnum is the lowest free slot below the smaller of
// concurrency and grant. In the wide protocol (see Probe) it has four bytes, the
// most significant first.
type DeliveryCommand struct {
	Delnum    uint32 // below MaxDelnum in the one-byte protocol
	Mess      string // name below queue/mess
	Sender    string
	Recipient string
}

// Append adds the command's bytes to b, with one byte of the number.
func (c DeliveryCommand) Append(b []byte) []byte { return c.strings(append(b, byte(c.Delnum))) }

// AppendWide adds the bytes of the wide protocol.
func (c DeliveryCommand) AppendWide(b []byte) []byte {
	return c.strings(binary.BigEndian.AppendUint32(b, c.Delnum))
}

// strings adds what follows the number.
func (c DeliveryCommand) strings(b []byte) []byte {
	for _, s := range [...]string{c.Mess, c.Sender, c.Recipient} {
		b = append(b, untilNUL(s)...)
		b = append(b, 0)
	}
	return b
}

// NextDeliveryCommand cuts the first command off b; ok is false while it is
// not complete.
func NextDeliveryCommand(b []byte) (c DeliveryCommand, rest []byte, ok bool) {
	if len(b) == 0 {
		return c, b, false
	}
	rest = b[1:]
	for _, p := range [...]*string{&c.Mess, &c.Sender, &c.Recipient} {
		i := bytes.IndexByte(rest, 0)
		if i < 0 {
			return DeliveryCommand{}, b, false
		}
		*p = string(rest[:i])
		rest = rest[i+1:]
	}
	c.Delnum = uint32(b[0])
	return c, rest, true
}

// MessMax is the longest message name of a command in bytes, with its NUL.
const MessMax = 100

// ReportMax is how many bytes of a report qmail-send keeps: number, letter and
// text; what exceeds it overwrites the last place (spec/send.md section 9).
const ReportMax = 10000

// A Report tells qmail-send what became of a delivery:
//
//	delnum (1 byte)  letter K, Z or D (1 byte)  TEXT NUL
//
// Written by the spawners. A delnum of 0 is not mistaken for the end, because
// the end is the first NUL after at least one byte. A report without a letter
// (delnum NUL) has Letter 0.
type Report struct {
	Delnum uint32 // in the wide protocol four bytes, as in a DeliveryCommand
	Letter byte
	Text   string
}

// Append adds the report's bytes to b, with one byte of the number; text ends at
// its first NUL.
func (r Report) Append(b []byte) []byte { return r.rest(append(b, byte(r.Delnum))) }

// AppendWide adds the bytes of the wide protocol.
func (r Report) AppendWide(b []byte) []byte {
	return r.rest(binary.BigEndian.AppendUint32(b, r.Delnum))
}

// rest adds what follows the number.
func (r Report) rest(b []byte) []byte {
	b = append(b, r.Letter)
	b = append(b, untilNUL(r.Text)...)
	return append(b, 0)
}

// A ReportDecoder collects reports from the bytes of a report pipe. The zero
// value is ready for the one-byte protocol; Wide may be set between two reports.
type ReportDecoder struct {
	Wide bool
	buf  []byte
}

// Push takes the next byte; ok says that it completed a report.
func (d *ReportDecoder) Push(b byte) (r Report, ok bool) {
	n := numberBytes(d.Wide)
	if b == 0 && len(d.buf) >= n {
		r.Delnum = number(d.buf[:n])
		if len(d.buf) > n {
			r.Letter, r.Text = d.buf[n], string(d.buf[n+1:])
		}
		d.buf = d.buf[:0]
		return r, true
	}
	if len(d.buf) < ReportMax-1+n {
		d.buf = append(d.buf, b)
	} else {
		d.buf[len(d.buf)-1] = b
	}
	return r, false
}

// untilNUL is s up to its first NUL.
func untilNUL(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}
