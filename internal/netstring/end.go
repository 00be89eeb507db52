package netstring

import "errors"

// Exit codes of the servers. Spec: spec/qmtp-qmqp.md sections 2 and 3.
const (
	ExitEnd     = 0   // answered, or the connection ended, wherever that was
	ExitSyntax  = 100 // the client does not speak the protocol
	ExitTrouble = 111 // trouble here, a length beyond all bounds, or lifetime is over
)

// A Trouble is an error of ours, not of the connection.
type Trouble struct{ Err error }

func (t Trouble) Error() string { return t.Err.Error() }

// Unwrap is the error itself.
func (t Trouble) Unwrap() error { return t.Err }

// ExitCode is what the end of a session means to whoever started the server.
func ExitCode(err error) int {
	var ours Trouble
	switch {
	case errors.As(err, &ours), errors.Is(err, ErrTooLarge):
		return ExitTrouble
	case errors.Is(err, ErrSyntax):
		return ExitSyntax
	}
	return ExitEnd
}
