package pipe

import (
	"goqmail/internal/queue"
)

// A CleanRequest asks qmail-clean to remove files of one message:
//
//	"foop/" ID NUL    remove intd/ID, then mess/split/ID
//	"todo/" ID NUL    remove intd/ID, then todo/ID
//
// CleanMin to CleanMax bytes with the NUL. The answer is one byte, a CleanReply.
// Spec: spec/queue.md section 10.
type CleanRequest struct {
	Todo bool // false: "foop"
	ID   queue.ID
}

// Lengths of a request in bytes, with its NUL.
const (
	CleanMin = 7
	CleanMax = 100
)

// A CleanReply is qmail-clean's answer to one request, in order.
type CleanReply byte

// The answers.
const (
	CleanDone CleanReply = '+' // removed, or was not there
	CleanBad  CleanReply = 'x' // not a request; nothing was touched
	CleanFail CleanReply = '!' // an unlink failed
)

const (
	prefixFoop = "foop/"
	prefixTodo = "todo/"
)

// String is the request without its NUL, as logs show it: "foop/457".
func (r CleanRequest) String() string {
	if r.Todo {
		return prefixTodo + r.ID.String()
	}
	return prefixFoop + r.ID.String()
}

// Append adds the request's bytes to b.
func (r CleanRequest) Append(b []byte) []byte { return append(append(b, r.String()...), 0) }

// ParseCleanRequest reads one request without its NUL. Unlike C, which acts on
// the leading digits of "foop/12a" and compares four bytes of "todo/", it
// refuses whatever is not exactly the format, and numbers over 2^64-1.
func ParseCleanRequest(b []byte) (CleanRequest, error) {
	if len(b)+1 < CleanMin || len(b)+1 > CleanMax {
		return CleanRequest{}, ErrFormat
	}
	id, ok := queue.ParseID(string(b[5:]))
	if !ok {
		return CleanRequest{}, ErrFormat
	}
	switch string(b[:5]) {
	case prefixFoop:
		return CleanRequest{ID: id}, nil
	case prefixTodo:
		return CleanRequest{Todo: true, ID: id}, nil
	}
	return CleanRequest{}, ErrFormat
}
