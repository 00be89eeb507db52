package mailtools

import (
	"bufio"
	"io"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/utmp"
)

// Sizes of what qbiff reads and shows, in bytes.
const (
	biffText  = 78       // of the second line, with its four blanks
	biffUsers = 64 << 20 // of utmp that are read
)

// biffMode is the mode bit by which a user asks to be told, as "biff y" and
// "mesg y" of old set it: x for the owner of the terminal.
const biffMode = 0o100

// Qbiff is qbiff, for .qmail files: it tells the user on each of his terminals
// that wants it that a message has come. Whatever happens, the delivery goes on.
// Spec: spec/local.md section 12.
func Qbiff(p *prog.Process) int {
	biff{p, utmp.Path, "/dev/"}.run()
	return exitOK
}

// A biff is one run; tests have files of their own.
type biff struct {
	*prog.Process
	utmp string // path of utmp
	dev  string // directory of terminals, with its slash
}

// run tells the user; nobody is told what goes wrong.
func (b biff) run() {
	user, ok1 := b.Env.Get("USER")
	sender, ok2 := b.Env.Get("SENDER")
	local, ok3 := b.Env.Get("LOCAL")
	if !ok1 || !ok2 || !ok3 || user == "" || len(user) > utmp.TextSize {
		return
	}
	var g glance
	if g.take(b.FD(0), biffText-len("    ")) != nil {
		return
	}
	const newLine = "\r\n"
	var note []byte
	note = append(note, newLine+"\a"...)
	note = append(note, address.Printable("*** TO <"+local+"> FROM <"+sender+">", '_')...)
	note = append(note, newLine+"    "...)
	note = append(note, address.Printable(g.text, '/')...)
	note = append(note, newLine...)

	users, err := sys.Cwd().Open(b.utmp, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return
	}
	defer func() { _ = users.Close() }() // read only
	if st, err := users.Stat(); err != nil || !st.IsRegular() {
		return
	}
	in := bufio.NewReader(io.LimitReader(users, biffUsers))
	for rec := make([]byte, utmp.Size); ; {
		if _, err := io.ReadFull(in, rec); err != nil {
			return // the end; a part of a record is none
		}
		r := utmp.Parse(rec)
		if r.Type == utmp.UserProcess && r.User == user {
			b.tell(r.Line, note)
		}
	}
}

// tell writes to a terminal, if it is one of this user's and wants to be told.
// It never waits: a terminal that takes nothing now, or no more, is not told the
// rest. The file is looked at before it is opened, since opening some devices
// does something, and again when it is open.
func (b biff) tell(line string, note []byte) {
	if line == "" || line[0] == '/' || strings.IndexByte(line, '.') >= 0 {
		return // not a name below the directory
	}
	wanted := func(st sys.Info, err error) bool {
		return err == nil && st.IsCharDevice() && st.Mode&biffMode != 0 && st.UID == uint32(sys.Getuid())
	}
	if !wanted(sys.Cwd().Lstat(b.dev + line)) {
		return
	}
	tty, err := sys.Cwd().Open(b.dev+line, sys.WriteOnly|sys.NonBlock|sys.NoCTTY|sys.NoFollow, 0)
	if err != nil {
		return
	}
	if wanted(tty.Stat()) && tty.IsTerminal() {
		_, _ = tty.WriteOnce(note) // nobody is told of a failure
	}
	_ = tty.Close() // a terminal: nothing is kept
}
