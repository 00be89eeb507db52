// Package utmp is the format of /var/run/utmp, the list of who is logged in at
// which terminal: records of one size one after the other, in the machine's
// byte order, as utmp(5) of Linux has them:
//
//	offset  bytes
//	 0       2     type; 7 is a process of a user
//	 8      32     line: the terminal's name below /dev
//	44      32     user
//
// and other things that nobody here reads. A text that is shorter than its place
// ends with a NUL. The record has 384 bytes, but 400 where the 32-bit layout was
// not kept. Login programs write the file; some systems have none. Spec:
// spec/local.md section 12, "qbiff".
package utmp

import (
	"bytes"
	"encoding/binary"
	"runtime"
)

// Path is where the file is.
const Path = "/var/run/utmp"

// UserProcess is the type of a record whose user is logged in.
const UserProcess = 7

// TextSize is the most bytes of a line or a user.
const TextSize = 32

// Where the fields are.
const (
	lineAt = 8
	userAt = 44
)

// Size is the size of a record in bytes.
var Size = sizeOn(runtime.GOARCH)

// sizeOn is Size on a kind of processor.
func sizeOn(arch string) int {
	switch arch {
	case "arm64", "riscv64", "loong64":
		return 400
	}
	return 384
}

// A Record is one entry.
type Record struct {
	Type int16
	Line string
	User string
}

// Parse reads a record of Size bytes. Every such record is one.
func Parse(b []byte) Record {
	return Record{
		Type: int16(binary.NativeEndian.Uint16(b)),
		Line: text(b[lineAt:]),
		User: text(b[userAt:]),
	}
}

// text is what stands in a place of TextSize bytes.
func text(b []byte) string {
	b = b[:TextSize]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Append adds the record; what nobody reads is zero. Line and User are cut to
// TextSize bytes.
func (r Record) Append(b []byte) []byte {
	n := len(b)
	b = append(b, make([]byte, Size)...)
	binary.NativeEndian.PutUint16(b[n:], uint16(r.Type))
	copy(b[n+lineAt:n+lineAt+TextSize], r.Line)
	copy(b[n+userAt:n+userAt+TextSize], r.User)
	return b
}
