package fastforward

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/forwarddb"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// A bed is a home with a queue program that records what it gets.
type bed struct {
	home, rec string
}

func newBed(t *testing.T, queueExit string) bed {
	t.Helper()
	b := bed{t.TempDir(), t.TempDir()}
	testkit.Must(t, os.Mkdir(b.home+"/bin", 0o755))
	testkit.Recorder(t, b.home+"/bin/qmail-queue", b.rec, queueExit)
	return b
}

// queued is the envelope and message that the queue program got.
func (b bed) queued(t *testing.T) (envelope, message string) {
	t.Helper()
	return strings.ReplaceAll(testkit.Content(t, b.rec+"/1"), "\x00", " "), testkit.Content(t, b.rec+"/0")
}

// run runs fastforward for a@h.
func (b bed) run(t *testing.T, db, message string, env ...string) progtest.Result {
	t.Helper()
	r := progtest.Run(t, Run, progtest.Call{Home: b.home, Args: []string{"fastforward", db}, Stdin: message, Env: environment("a@h", env...)})
	if pid, ok := strings.CutPrefix(r.Err, "fastforward: qp "); ok {
		if _, err := strconv.Atoi(strings.TrimSpace(pid)); err == nil {
			r.Err = "qp"
		}
	}
	return r
}

func TestForward(t *testing.T) {
	const message = "Subject: x\n\nbody\n"
	b := newBed(t, "0")
	db := makeDB(t, "a@h: b@c, ?o@h, d@e;")
	if r := b.run(t, db, message); r != (progtest.Result{Err: "qp"}) {
		t.Errorf("%+v", r)
	}
	if env, msg := b.queued(t); env != "Fo@h Tb@c Td@e  " || msg != "Delivered-To: a@h\n"+message {
		t.Errorf("queued %q, %q", env, msg)
	}
	// $SENDER, $DTLINE and the message as they are.
	for _, tt := range []struct{ sender, dtline, message, envelope, queued string }{
		{"", "", "no newline", "F Tb@c  ", "no newline"},
		{"#@[]", "D", "", "F#@[] Tb@c  ", "D"},
	} {
		b := newBed(t, "0")
		r := b.run(t, makeDB(t, "a@h: b@c;"), tt.message, "SENDER="+tt.sender, "DTLINE="+tt.dtline)
		if env, msg := b.queued(t); r != (progtest.Result{Err: "qp"}) || env != tt.envelope || msg != tt.queued {
			t.Errorf("%+v: %+v, queued %q, %q", tt, r, env, msg)
		}
	}
	// $QMAILQUEUE is honoured.
	other := newBed(t, "0")
	if r := b.run(t, db, message, "QMAILQUEUE="+other.home+"/bin/qmail-queue"); r != (progtest.Result{Err: "qp"}) {
		t.Errorf("%+v", r)
	}
	if env, _ := other.queued(t); env != "Fo@h Tb@c Td@e  " {
		t.Errorf("$QMAILQUEUE got %q", env)
	}
	// Answers of the queue program.
	for _, tt := range []struct {
		exit string
		code int
		text string
	}{
		{"31", 100, "mail server permanently rejected message (#5.3.0)"},
		{"53", 111, "qq write error or disk full (#4.3.0)"},
	} {
		if r := newBed(t, tt.exit).run(t, db, message); r != (progtest.Result{Code: tt.code, Err: "fastforward: fatal: " + tt.text + "\n"}) {
			t.Errorf("queue program exits %s: %+v", tt.exit, r)
		}
	}
	testkit.Must(t, os.RemoveAll(b.home))
	if r := b.run(t, db, message); r != (progtest.Result{Code: 111, Err: "fastforward: fatal: qq trouble in home directory (#4.3.0)\n"}) {
		t.Errorf("without home: %+v", r)
	}
}

func TestPrograms(t *testing.T) {
	const message = "Subject: x\n\nbody\n"
	dir := t.TempDir()
	preline := testkit.Script(t, dir+"/preline", `printf '%s\n' preline; exec "$@"`)
	tests := []struct {
		name, commands, env string
		code                int
		out, err            string
		queued              bool
	}{
		{"message, twice", `|cat, |read\ x\;\ echo\ "$x", x@y`, "", 0, message + "Subject: x\n", "qp", true},
		{"environment", `|echo\ $SENDER\ $RECIPIENT\ $0\ $\#`, "", 0, "s@t a@h sh 0\n", "", false},
		{"exit 0", `|exit\ 0`, "", 0, "", "", false},
		{"nothing", `|`, "", 0, "", "", false},
		{"exit 99", `|exit\ 99, x@y`, "", 111, "", "", false},
		{"exit 100", `|exit\ 100, |echo\ not, x@y`, "", 100, "", "", false},
		{"exit 64", `|exit\ 64`, "", 100, "", "", false},
		{"exit 112", `|exit\ 112`, "", 100, "", "", false},
		{"exit 111", `|exit\ 111`, "", 111, "", "", false},
		{"exit 66", `|exit\ 66`, "", 111, "", "", false},
		{"killed", `|kill\ -9\ $$`, "", 111, "", "fastforward: fatal: child crashed in |kill -9 $$\n", false},
		{"preline", `!cat`, "", 0, "preline\n" + message, "", false},
		{"preline that fails", `!exit\ 100`, "", 100, "preline\n", "", false},
		{"no preline", `!cat`, "PATH=/absent", 111, "", "fastforward: fatal: unable to run !cat: file does not exist\n", false},
		{"a list that is not there", `|echo\ not, /absent`, "", 111, "", "fastforward: fatal: unable to read /absent: file does not exist\n", false},
	}
	for _, tt := range tests {
		b := newBed(t, "0")
		db := makeDB(t, "a@h: "+tt.commands+";")
		env := "PATH=" + filepath.Dir(preline) + ":" + os.Getenv("PATH")
		if tt.env != "" {
			env = tt.env
		}
		r := b.run(t, db, message, env)
		if want := (progtest.Result{Code: tt.code, Out: tt.out, Err: tt.err}); r != want {
			t.Errorf("%s: %+v, want %+v", tt.name, r, want)
		}
		if _, msg := b.queued(t); (msg != testkit.Absent) != tt.queued {
			t.Errorf("%s: queued %q", tt.name, msg)
		}
	}
	// That of the suite is taken when $PATH has none.
	b := newBed(t, "0")
	testkit.Script(t, b.home+"/bin/preline", `printf '%s\n' "$@" ours`)
	if r := b.run(t, makeDB(t, "a@h: !x;"), message, "PATH=/absent"); r != (progtest.Result{Out: "sh\n-c\nx\nours\n"}) {
		t.Errorf("preline of the suite: %+v", r)
	}
}

// A message that cannot be read, or not be rewound for the next program.
func TestMessage(t *testing.T) {
	open := func(name string, flag int) int {
		f, err := os.OpenFile(name, flag, 0)
		testkit.Must(t, err)
		t.Cleanup(func() { _ = f.Close() })
		return int(f.Fd())
	}
	r, w, err := os.Pipe()
	testkit.Must(t, err)
	defer func() { _ = r.Close() }()
	_, err = w.WriteString("message\n")
	testkit.Must(t, err)
	testkit.Must(t, w.Close())
	closed := open("/dev/null", os.O_RDWR) // as the run-time does
	tests := []struct {
		name, commands string
		fd, code       int
		err            string
		queued         string
	}{
		{"closed, program", "|cat >&2", closed, 111, "fastforward: fatal: unable to read message: file descriptor not open\n", testkit.Absent},
		{"closed, address", "x@y", closed, 111, "fastforward: fatal: unable to read message: file descriptor not open\n", testkit.Absent},
		{"closed, nothing to do", "a@h", closed, 0, "", testkit.Absent},
		{"directory", "x@y", open(t.TempDir(), os.O_RDONLY), 111, "fastforward: fatal: unable to read message: is a directory\n", "Delivered-To: a@h\n"},
		{"pipe, program", "|echo\\ ran\\ >&2", int(r.Fd()), 111, "fastforward: fatal: unable to rewind input: unseekable descriptor\n", testkit.Absent},
		{"pipe, address", "x@y", int(r.Fd()), 0, "qp", "Delivered-To: a@h\nmessage\n"},
	}
	for _, tt := range tests {
		b := newBed(t, "0")
		r := progtest.Run(t, Run, progtest.Call{Home: b.home, Args: []string{"fastforward", makeDB(t, "a@h: "+tt.commands+";")},
			Env: environment("a@h"), FDs: map[int]int{0: tt.fd}})
		if strings.HasPrefix(r.Err, "fastforward: qp ") {
			r.Err = "qp"
		}
		env, msg := b.queued(t)
		if tt.name == "directory" {
			if env != testkit.Absent && env != "" {
				t.Errorf("%s: an envelope %q", tt.name, env)
			}
			msg = tt.queued // how much of it arrives does not matter
		}
		if r != (progtest.Result{Code: tt.code, Err: tt.err}) || msg != tt.queued {
			t.Errorf("%s: %+v, queued %q, want %d, %q, %q", tt.name, r, msg, tt.code, tt.err, tt.queued)
		}
	}
}

// TestLarge: 100,000 recipients in a list; a chain of 1000 lists; one of 5000
// targets; a list that names itself in many ways.
func TestLarge(t *testing.T) {
	var many strings.Builder
	for i := range 100000 {
		many.WriteString("name" + strconv.Itoa(i) + "@host.example\n")
	}
	big := list(t, many.String(), "name7@host.example")
	dir := t.TempDir()
	const depth = 1000
	for i := range depth {
		next := "&the@end\x00"
		if i < depth-1 {
			next = dir + "/" + strconv.Itoa(i+1) + "\x00"
		}
		testkit.Write(t, dir+"/"+strconv.Itoa(i), next+dir+"/0\x00")
	}
	var chain, names strings.Builder
	for i := range 5000 {
		chain.WriteString("c" + strconv.Itoa(i) + "@h: c" + strconv.Itoa(i+1) + "@h, c0@h;\n")
	}
	for i := range 500 {
		names.WriteString(dir + strings.Repeat("/", i+1) + "loop\x00&a" + strconv.Itoa(i) + "@h\x00")
	}
	testkit.Write(t, dir+"/loop", names.String())
	db := makeDB(t, "big@h: "+big+"; deep@h: "+dir+"/0; loop@h: "+dir+"/loop;"+chain.String())
	for _, tt := range []struct {
		rcpt string
		want int
	}{{"big@h", 100000}, {"deep@h", 1}, {"c0@h", 1}, {"loop@h", 500}} {
		got, code := plan(t, db, tt.rcpt)
		if n := strings.Count(got, "to <"); n != tt.want || code != exitOK {
			t.Errorf("%s: %d recipients, %d, want %d: %.80q", tt.rcpt, n, code, tt.want, got)
		}
	}
}

// What is larger than that is refused, for the moment.
func TestLimits(t *testing.T) {
	dir := t.TempDir()
	testkit.Write(t, dir+"/many", strings.Repeat("&\x00", maxCommands+1))
	testkit.Must(t, os.Truncate(dir+"/many", 2*(maxCommands+1)))
	testkit.Write(t, dir+"/huge", "")
	testkit.Must(t, os.Truncate(dir+"/huge", maxList+1))
	db := makeDB(t, "many@h: "+dir+"/many; huge@h: "+dir+"/huge;")
	for _, tt := range []struct{ rcpt, want string }{
		{"many@h", "fastforward: fatal: more than 1048576 addresses"},
		{"huge@h", "fastforward: fatal: unable to read " + dir + "/huge: file too big"},
	} {
		if got, code := plan(t, db, tt.rcpt); got != tt.want || code != exitTemporary {
			t.Errorf("%s: %q, %d, want %q", tt.rcpt, got, code, tt.want)
		}
	}
	e := expansion{size: maxBytes, seen: map[string]bool{}, seenFile: map[[2]uint64]bool{}}
	testkit.Write(t, dir+"/small", "&a\x00")
	if err := e.list(dir + "/small"); err == nil || !strings.Contains(err.Error(), "mailing lists of more than") {
		t.Errorf("lists of too many bytes in all: %v", err)
	}
}

// FuzzPlan: any file as a database ends in one of the ways that the manual tells.
func FuzzPlan(f *testing.F) {
	f.Add([]byte("a@h: b@h, |p, /dev/null; b@h: ?o@h, a@h; @h: x@y;"), "a@h")
	f.Add([]byte("a@: a@h; a@h: a@;"), "a@h")
	f.Fuzz(func(t *testing.T, text []byte, rcpt string) {
		if strings.ContainsAny(string(text), "./\x00") || strings.IndexByte(rcpt, 0) >= 0 {
			return // no file of the machine, no record that setforward refuses
		}
		path := filepath.Join(t.TempDir(), "f.cdb")
		db, err := compile(path, text)
		if err != nil {
			return
		}
		defer db.close()
		e := expansion{db: db}
		known, err := e.start(rcpt)
		if err == nil {
			err = e.finish()
		}
		if err != nil {
			t.Fatalf("%q for %q: %v", text, rcpt, err)
		}
		seen := map[string]bool{}
		for _, r := range e.recipients {
			if seen[r] || !known {
				t.Errorf("%q for %q: %q, known %v", text, rcpt, e.recipients, known)
			}
			seen[r] = true
		}
	})
}

// compile makes a database of setforward's instructions and opens it.
func compile(path string, text []byte) (*database, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	w, err := cdb.NewWriter(f)
	if err == nil {
		err = forwarddb.Compile(text, w.Put)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	return openDatabase(path)
}
