package hier

import (
	"strings"

	"goqmail/internal/role"
)

// A null client has no queue and no daemons: its bin/qmail-queue is a link to
// qmail-qmqpc, which gives each message to a QMQP server. Everything belongs to
// root, and no accounts are needed. Spec: spec/qmtp-qmqp.md section 4.
const (
	NullQueue       = "bin/qmail-queue"
	NullQueueTarget = "qmail-qmqpc"
)

// nullPrograms are the programs a null client has, as far as the suite has them:
// what sends mail, what reads it, and qmail-smtpd for programs that insist on
// SMTP.
var nullPrograms = [...]string{
	"qmail-inject", "sendmail", "forward", "predate", "datemail", "mailsubj", "qmail-qmqpc", "qmail-showctl",
	"maildirmake", "maildir2mbox", "maildirwatch", "elq", "pinq", "qail", "qmail-smtpd", "tcpserver",
}

// nullPages are the manual pages besides those of the programs.
var nullPages = [...]string{"addresses.5", "envelopes.5", "qmail-control.5", "qmail-header.5", "tcp-environ.5"}

// NullDirectories lists a null client's directories, parents first.
func NullDirectories() []Item {
	var items []Item
	for _, d := range Directories() {
		switch {
		case d.Dir == "", d.Dir == "bin", d.Dir == "control", d.Dir == "doc", d.Dir == "man", strings.HasPrefix(d.Dir, "man/man"):
			items = append(items, Item{Dir: d.Dir, Type: Dir, Owner: role.Owner, Group: role.Qmail, Mode: 0o755})
		}
	}
	return items
}

// NullPrograms lists a null client's bin, the link last.
func NullPrograms() []Item {
	var items []Item
	for _, it := range Programs() {
		if isNull(it.Name) {
			items = append(items, it)
		}
	}
	return append(items, Item{Dir: "bin", Name: NullQueue[len("bin/"):], Type: Link, Target: NullQueueTarget})
}

// IsNullPage tells whether a null client has this manual page.
func IsNullPage(file string) bool {
	for _, p := range nullPages {
		if p == file {
			return true
		}
	}
	return len(file) > 2 && isNull(file[:len(file)-2])
}

// isNull tells whether a null client has the program.
func isNull(name string) bool {
	for _, p := range nullPrograms {
		if p == name {
			return true
		}
	}
	return false
}
