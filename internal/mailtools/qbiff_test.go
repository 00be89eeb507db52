package mailtools

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/prog"
	"goqmail/internal/utmp"
)

// A terminal is a pseudo terminal of this user.
type terminal struct {
	*testing.T
	master int
	line   string // below /dev
}

func newTerminal(t *testing.T) terminal {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(master) })
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	term := terminal{t, master, "pts/" + strconv.Itoa(n)}
	if err == nil {
		err = os.Chmod("/dev/"+term.line, 0o720)
	}
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// shown is what has come to the terminal, without what it does about line ends.
func (m terminal) shown() string {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(m.master, buf)
		if n <= 0 || err != nil {
			return strings.ReplaceAll(string(all), "\r\r\n", "\r\n")
		}
		all = append(all, buf[:n]...)
	}
}

var biffEnv = []string{"USER=joe", "SENDER=s@x\x1b", "LOCAL=joe-ext"}

// biffs runs qbiff with a utmp of these bytes.
func biffs(t *testing.T, env []string, in string, dev string, users []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "utmp")
	if users != nil {
		if err := os.WriteFile(path, users, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := call(t, func(p *prog.Process) int { biff{p, path, dev}.run(); return 0 }, "", in, env, "qbiff")
	if got != (result{}) {
		t.Errorf("qbiff = %+v", got)
	}
}

// on is a record of joe at a terminal.
func on(line string) []byte {
	return utmp.Record{Type: utmp.UserProcess, Line: line, User: "joe"}.Append(nil)
}

func TestQbiff(t *testing.T) {
	term := newTerminal(t)
	joins := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	const head = "\r\n\a*** TO <joe-ext> FROM <s@x_>\r\n"
	const in = "Subject: hi\x1b[2J\n\nthe body\n"
	const note = head + "    hi/[2J//the body/\r\n"
	here := on(term.line)
	tests := []struct {
		name  string
		in    string
		env   []string
		users []byte
		want  string
	}{
		{"told", in, biffEnv, here, note},
		{"78 bytes", "\n" + strings.Repeat("0123456789", 10), biffEnv, here, head + "    /" + strings.Repeat("0123456789", 10)[:73] + "\r\n"},
		{"nothing to say", "", biffEnv, here, head + "    \r\n"},
		{"among others", in, biffEnv, joins(on("pts/none"), on("/dev/"+term.line), on("./"+term.line), on(""), on("x/../"+term.line),
			utmp.Record{Type: 8, Line: term.line, User: "joe"}.Append(nil),
			utmp.Record{Type: utmp.UserProcess, Line: term.line, User: "joey"}.Append(nil),
			utmp.Record{Type: utmp.UserProcess, Line: term.line, User: "jo"}.Append(nil),
			[]byte(strings.Repeat("\xff", utmp.Size)), on("null"), on("ptmx"), on("pts"), here), note},
		{"a part of a record", in, biffEnv, joins(on("pts/none"), here[:utmp.Size-1]), ""},
		{"no user", in, biffEnv[1:], here, ""},
		{"no sender", in, []string{"USER=joe", "LOCAL=l"}, here, ""},
		{"no local", in, biffEnv[:2], here, ""},
		{"empty user", in, append([]string{"USER="}, biffEnv[1:]...), utmp.Record{Type: utmp.UserProcess, Line: term.line}.Append(nil), ""},
		{"user too long", in, append([]string{"USER=" + strings.Repeat("j", 33)}, biffEnv[1:]...),
			utmp.Record{Type: utmp.UserProcess, Line: term.line, User: strings.Repeat("j", 32)}.Append(nil), ""},
		{"nobody", in, biffEnv, []byte{}, ""},
		{"no utmp", in, biffEnv, nil, ""},
	}
	for _, tt := range tests {
		biffs(t, tt.env, tt.in, "/dev/", tt.users)
		if got := term.shown(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if err := os.Chmod("/dev/"+term.line, 0o620); err != nil { // biff n
		t.Fatal(err)
	}
	biffs(t, biffEnv, in, "/dev/", here)
	if got := term.shown(); got != "" {
		t.Errorf("a terminal that does not want it is told %q", got)
	}
}

// A terminal that takes nothing does not hold the delivery up.
func TestQbiffBlocked(t *testing.T) {
	term := newTerminal(t)
	fd, err := unix.Open("/dev/"+term.line, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	for err == nil {
		_, err = unix.Write(fd, []byte(strings.Repeat("x", 1000)))
	}
	done := make(chan bool)
	go func() {
		biffs(t, biffEnv, "Subject: s\n\n", "/dev/", on(term.line))
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("qbiff waits for a terminal that is full")
	}
}

// Only terminals are opened: nothing of these is, and none is made.
func TestQbiffOther(t *testing.T) {
	dir := t.TempDir() + "/"
	term := newTerminal(t)
	err := syscall.Mkfifo(dir+"fifo", 0o700)
	if err == nil {
		err = os.WriteFile(dir+"file", []byte("old"), 0o700)
	}
	if err == nil {
		err = os.Symlink("/dev/"+term.line, dir+"link")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "file", "link", "none"} {
		biffs(t, biffEnv, "Subject: s\n\n", dir, on(name))
	}
	if got, err := os.ReadFile(dir + "file"); err != nil || string(got) != "old" {
		t.Errorf("file: %q, %v", got, err)
	}
	if _, err := os.Lstat(dir + "none"); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
	if got := term.shown(); got != "" {
		t.Errorf("told through a link: %q", got)
	}
	// utmp that is no file, and a message that cannot be read.
	call(t, func(p *prog.Process) int { biff{p, dir + "fifo", "/dev/"}.run(); return 0 }, "", "A: b\n\n", biffEnv, "qbiff")
	got := call(t, func(p *prog.Process) int { p.FDs[0] = -1; return Qbiff(p) }, "", "", biffEnv, "qbiff")
	if got != (result{}) {
		t.Errorf("qbiff without a message = %+v", got)
	}
}
