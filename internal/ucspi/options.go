package ucspi

import "time"

// How much tcpserver and tcpclient say on descriptor 2.
const (
	Quiet    = 0 // only what is wrong with the call (-q)
	Warnings = 1 // and what went wrong (-Q)
	Verbose  = 2 // and what went well (-v)
)

// Options are the options that tcpserver and tcpclient share.
// Spec: spec/ucspi.md sections 1 and 3.
type Options struct {
	Verbosity  int
	LocalName  string // TCPLOCALHOST
	LookLocal  bool   // look it up
	LookRemote bool   // look TCPREMOTEHOST up
	AskIdent   bool   // ask for TCPREMOTEINFO
	IdentLimit time.Duration
	NoDelay    bool   // TCP_NODELAY
	Only4      bool   // IPv4 sockets only
	As6        bool   // show IPv4 as IPv6
	NetIf      string // interface of link-local addresses
}

// Defaults are the options of a command line that has none.
func Defaults() Options {
	return Options{Verbosity: Warnings, LookLocal: true, LookRemote: true, AskIdent: true, IdentLimit: 26 * time.Second}
}

// Flag obeys an option without a value; false if it is none of these.
func (o *Options) Flag(c byte) bool {
	switch c {
	case '4':
		o.Only4 = true
	case '6':
		o.As6 = true
	case 'h':
		o.LookRemote = true
	case 'H':
		o.LookRemote = false
	case 'r':
		o.AskIdent = true
	case 'R':
		o.AskIdent = false
	case 'd':
		o.NoDelay = false
	case 'D':
		o.NoDelay = true
	case 'q':
		o.Verbosity = Quiet
	case 'Q':
		o.Verbosity = Warnings
	case 'v':
		o.Verbosity = Verbose
	default:
		return false
	}
	return true
}

// Value obeys an option with a value; false if it is none of these. It leaves -t
// to its callers, who differ about a value that is no number.
func (o *Options) Value(c byte, v string) bool {
	switch c {
	case 'l':
		o.LocalName, o.LookLocal = v, false
	case 'I':
		o.NetIf = v
	default:
		return false
	}
	return true
}
