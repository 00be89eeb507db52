package fastforward

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/forwarddb"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// makeDB makes a forwarding database of setforward's instructions, and of
// records "key=data" that setforward would not write.
func makeDB(t *testing.T, text string, records ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.cdb")
	f, err := os.Create(path)
	testkit.Must(t, err)
	w, err := cdb.NewWriter(f)
	testkit.Must(t, err)
	testkit.Must(t, forwarddb.Compile([]byte(text), w.Put))
	for _, r := range records {
		key, data, _ := strings.Cut(r, "=")
		testkit.Must(t, w.Put([]byte(key), []byte(data)))
	}
	testkit.Must(t, w.Close())
	testkit.Must(t, f.Close())
	return path
}

// list makes a binary mailing list of lines and returns its path.
func list(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "l.bin")
	b, err := forwarddb.CompileList([]byte(strings.Join(lines, "\n")))
	testkit.Must(t, err)
	testkit.Write(t, path, string(b))
	return path
}

// environment is what qmail-local sets, with RECIPIENT rcpt.
func environment(rcpt string, more ...string) []string {
	return append(more, "RECIPIENT="+rcpt, "SENDER=s@t", "DTLINE=Delivered-To: "+rcpt+"\n",
		"RPLINE=Return-Path: <s@t>\n", "UFLINE=From s@t\n", "PATH="+os.Getenv("PATH"))
}

// plan is what fastforward -n says, on one line.
func plan(t *testing.T, db, rcpt string) (plan string, code int) {
	t.Helper()
	r := progtest.Run(t, Run, progtest.Call{Args: []string{"fastforward", "-n", db}, Env: environment(rcpt)})
	if r.Out != "" {
		t.Errorf("%s: written to descriptor 1: %q", rcpt, r.Out)
	}
	return strings.ReplaceAll(strings.TrimSuffix(r.Err, "\n"), "\n", ", "), r.Code
}

const (
	noForwarding = "no forwarding"
	from         = "from <s@t>, "
)

func TestPlan(t *testing.T) {
	inner := list(t, "m@m", "&A@h")
	outer := list(t, "n@n", inner, "m@m", "list@h")
	db := makeDB(t, `
		A@H.example: x@y, |echo\ "p"; @cat: catch@z; user@: u@z; q: bare@z;
		own@h: x@y, ?owner@h; ?@h: d@d; null@h: ?, x@y; o2@h: ?only@owner;
		chain@h: chain2@h; chain2@h: CHAIN3@h; chain3@h: end@h, |last;
		nest@h: own@h, x@y, x@y, X@Y; self@h: ?x@h, self@h;
		wild@h: x@cat, user@w, @cat, user@;
		loop@h: Loop@h, |once; loop2@h: loop3@h, a@a; loop3@h: loop2@h, b@b;
		order@h: |1, sub@h, |2, c@c; sub@h: |3, a@a, |4, b@b;
		same@h: |p, |p, B@h, b@h; b@h: |q; list@h: `+outer+`, `+outer+`; a@h: aa@h;
		n@own: x@y; @own: ?w@w, z@z; ?@own: a@a; none@h: ;  two@h: first@a; two@h: second@b; dev@h: /dev/null;
		odd@h: a\
b@c, \ d, "e\ f"@g, &, ~é; run@h: |a\
\|é;`)
	tests := []struct{ rcpt, want string }{
		{"a@h.example", `run |echo "p", ` + from + "to <x@y>"},
		{"A@H.EXAMPLE", `run |echo "p", ` + from + "to <x@y>"},
		{"any@cat", from + "to <catch@z>"},
		{"user@cat", from + "to <catch@z>"}, // the host before the user
		{"User@Whatever", from + "to <u@z>"},
		{"user@a@b@cat", from + "to <catch@z>"},
		{"q", from + "to <bare@z>"},
		{"own@h", "from <owner@h>, to <x@y>"},
		{"n@own", "from <w@w>, to <x@y>"}, // the owner for the host
		{"m@own", "from <w@w>, to <z@z>"},
		{"null@h", "from <>, to <x@y>"},
		{"chain@h", "run |last, " + from + "to <end@h>"},
		{"nest@h", from + "to <own@h>, to <x@y>, to <X@Y>"},
		{"self@h", "from <x@h>, to <self@h>"},
		{"wild@h", from + "to <x@cat>, to <user@w>, to <catch@z>, to <u@z>"},
		{"loop@h", "run |once, " + noForwarding},
		{"loop2@h", from + "to <b@b>, to <a@a>"},
		{"order@h", "run |1, run |2, run |3, run |4, " + from + "to <a@a>, to <b@b>, to <c@c>"},
		{"same@h", "run |p, run |p, run |q, " + noForwarding},
		{"list@h", from + "to <n@n>, to <aa@h>, to <m@m>"},
		{"two@h", from + "to <first@a>"},
		{"dev@h", noForwarding},
		{"odd@h", from + "to <a_b@c>, to < d>, to <\"e f\"@g>, to <>, to <~__>"},
		{"run@h", "run |a_|__, " + noForwarding},
	}
	for _, tt := range tests {
		if got, code := plan(t, db, tt.rcpt); got != tt.want || code != exitOK {
			t.Errorf("%s: %q, %d, want %q", tt.rcpt, got, code, tt.want)
		}
	}
	for _, rcpt := range []string{"b@h.example", "none@h", "o2@h", "user", "", "@h"} {
		if got, code := plan(t, db, rcpt); got != noMailbox || code != exitPermanent {
			t.Errorf("%q: %q, %d, want no mailbox", rcpt, got, code)
		}
	}
	// A bounce stays one: no owner gets what he could not take.
	for sender, want := range map[string]string{"": "<>", "#@[]": "<#@[]>", "s-@t-@[]": "<owner@h>"} {
		r := progtest.Run(t, Run, progtest.Call{Args: []string{"fastforward", "-n", db}, Env: []string{"RECIPIENT=own@h", "SENDER=" + sender}})
		if want := "from " + want + "\nto <x@y>\n"; r.Err != want {
			t.Errorf("SENDER=%s: %q, want %q", sender, r.Err, want)
		}
	}
	// Without $SENDER, as by hand.
	r := progtest.Run(t, Run, progtest.Call{Args: []string{"fastforward", "-n", db}, Env: []string{"RECIPIENT=chain@h"}})
	if want := "run |last\nfrom <original envelope sender>\nto <end@h>\n"; r.Err != want {
		t.Errorf("without SENDER: %+v, want %q", r, want)
	}
}

// What cannot be read, or is not in its format: never a part of the recipients.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	testkit.Write(t, dir+"/cut", "&a@b\x00&c@d")
	testkit.Write(t, dir+"/program", "&a@b\x00|p\x00")
	testkit.Write(t, dir+"/empty", "&a@b\x00\x00")
	testkit.Write(t, dir+"/long", "&"+strings.Repeat("x", 899)+"\x00")
	testkit.Write(t, dir+"/private", "&a@b\x00")
	testkit.Must(t, os.Chmod(dir+"/private", 0o640))
	testkit.Must(t, syscall.Mkfifo(dir+"/fifo", 0o644))
	testkit.Must(t, os.Chmod(dir+"/fifo", 0o644))
	testkit.Looping(t, dir+"/loop")
	db := makeDB(t, `absent@h: |p, `+dir+`/absent; cut@h: `+dir+`/cut; program@h: `+dir+`/program; empty@h: `+dir+`/empty; long@h: `+dir+`/long;
		private@h: `+dir+`/private; fifo@h: `+dir+`/fifo; dir@h: `+dir+`; loop@h: `+dir+`/loop; tty@h: /dev/full; last@h: `+dir+`/a, `+dir+`/b;`,
		":c1@h=&b", ":c2@h=b\x00", ":c3@h=&b\x00\x00", ":c4@h=?x\x00", ":c5@h=&c1@h\x00", "?o@h=a\x00Tb", ":o@h=&b\x00", ":oo@h=&o@h\x00", ":none@h=")
	unable := func(name, why string) string { return "fastforward: fatal: unable to read " + name + ": " + why }
	tests := []struct{ rcpt, want string }{
		{"absent", "run |p, " + unable(dir+"/absent", "file does not exist")}, // in C, too, what came before is said
		{"cut", unable(dir+"/cut", "bad mailing list format")},
		{"program", unable(dir+"/program", "bad mailing list format")},
		{"empty", unable(dir+"/empty", "bad mailing list format")},
		{"long", unable(dir+"/long", "bad mailing list format")},
		{"private", "fastforward: fatal: " + dir + "/private is not world-readable"},
		{"fifo", unable(dir+"/fifo", "not a file")},
		{"dir", unable(dir, "is a directory")},
		{"loop", unable(dir+"/loop", "symbolic link loop")},
		{"tty", unable("/dev/full", "not a file")},
		{"last", unable(dir+"/b", "file does not exist")},
		{"c1", unable(db, "bad database format")},
		{"c2", unable(db, "bad database format")},
		{"c3", unable(db, "bad database format")},
		{"c4", unable(db, "bad database format")},
		{"c5", unable(db, "bad database format")},
		{"o", unable(db, "bad database format")},
		{"oo", unable(db, "bad database format")},
	}
	testkit.Must(t, os.Chmod(dir, 0o755))
	for _, tt := range tests {
		if got, code := plan(t, db, tt.rcpt+"@h"); got != tt.want || code != exitTemporary {
			t.Errorf("%s: %q, %d, want %q", tt.rcpt, got, code, tt.want)
		}
	}
	if got, code := plan(t, db, "none@h"); got != noForwarding || code != exitOK {
		t.Errorf("a record without commands: %q, %d", got, code)
	}
	whole := testkit.Content(t, db)
	testkit.Write(t, dir+"/header", whole[:2047])
	testkit.Write(t, dir+"/tables", whole[:len(whole)-1])
	testkit.Write(t, dir+"/junk", strings.Repeat("junk", 1000))
	for _, tt := range []struct{ name, why string }{
		{dir + "/absent", "file does not exist"}, {dir, "is a directory"}, {"/dev/null", "input/output error"}, {dir + "/fifo", "input/output error"},
		{dir + "/header", "input/output error"}, {dir + "/tables", "input/output error"}, {dir + "/junk", "input/output error"},
	} {
		if got, code := plan(t, tt.name, "cut@h"); got != unable(tt.name, tt.why) || code != exitTemporary {
			t.Errorf("database %s: %q, %d, want %q", tt.name, got, code, tt.why)
		}
	}
}

// Looking up one target after the other, the owner and nested targets, when the
// database has a record that cannot be read.
func TestBrokenRecords(t *testing.T) {
	db := makeDB(t, "a@h: b@h; c@h: d@h;", ":b@h=&x\x00", "?a@h=o", ":d@h=&x\x00", "?d@h=o")
	whole := []byte(testkit.Content(t, db))
	for _, tt := range []struct{ rcpt, key string }{
		{"a@h", ":a@h"}, {"a@h", "?a@h"}, {"a@h", ":b@h"}, {"c@h", "?d@h"},
	} {
		broken := append([]byte(nil), whole...)
		// The data's length, behind the key's, before the key.
		at := strings.Index(string(broken), tt.key) - 4
		copy(broken[at:], "\xff\xff\xff\xff")
		path := filepath.Join(t.TempDir(), "f.cdb")
		testkit.Write(t, path, string(broken))
		if got, code := plan(t, path, tt.rcpt); got != "fastforward: fatal: unable to read "+path+": input/output error" || code != exitTemporary {
			t.Errorf("%s, record %s: %q, %d", tt.rcpt, tt.key, got, code)
		}
	}
}

func TestOptions(t *testing.T) {
	db := makeDB(t, "a@h: x@y; e@h: z@z;")
	const plan, planE, usage = "from <s@t>\nto <x@y>\n", "from <s@t>\nto <z@z>\n", "fastforward: usage: fastforward [ -nNpP ] data.cdb\n"
	tests := []struct {
		args string
		env  string // RECIPIENT is a@h unless given
		code int
		err  string
	}{
		{"-n DB ignored", "", 0, plan},
		{"-n -p DB", "", 99, plan},
		{"-npP DB", "", 0, plan},
		{"-nd DB", "DEFAULT=e HOST=h", 0, planE},
		{"-nd DB", "EXT=e HOST=h", 0, planE},
		{"-nd DB", "DEFAULT=a EXT=e HOST=h", 0, plan},
		{"-nd DB", "DEFAULT= EXT=e HOST=h", 100, noMailbox + "\n"},
		{"-ndD DB", "DEFAULT=e HOST=h", 0, plan},
		{"-n -- DB", "", 0, plan},
		{"-p DB", "RECIPIENT=b@h", 0, ""},
		{"-n DB", "RECIPIENT", 100, "fastforward: fatal: $RECIPIENT must be set\n"},
		{"-d DB", "HOST=h", 100, "fastforward: fatal: $DEFAULT or $EXT must be set\n"},
		{"-d DB", "DEFAULT=a", 100, "fastforward: fatal: $HOST must be set\n"},
		{"/absent", "RECIPIENT", 111, "fastforward: fatal: unable to read /absent: file does not exist\n"},
		{"", "", 100, usage},
		{"-n", "", 100, usage},
		{"-z DB", "", 100, "fastforward: illegal option -- z\n" + usage},
	}
	for _, tt := range tests {
		env := []string{"SENDER=s@t"}
		if tt.env != "RECIPIENT" {
			env = append(strings.Fields(tt.env), "SENDER=s@t", "RECIPIENT=a@h")
		}
		args := append([]string{"fastforward"}, strings.Fields(strings.Replace(tt.args, "DB", db, 1))...)
		r := progtest.Run(t, Run, progtest.Call{Args: args, Env: env})
		if want := (progtest.Result{Code: tt.code, Err: tt.err}); r != want {
			t.Errorf("%q %q: %+v, want %+v", tt.args, tt.env, r, want)
		}
	}
}
