package aliastools

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// home makes a home with the control files.
func home(t *testing.T, controls map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	testkit.Must(t, os.Mkdir(dir+"/control", 0o755))
	for name, content := range controls {
		testkit.Write(t, dir+"/control/"+name, content)
	}
	return dir
}

var controls = map[string]string{"me": "me.example\n", "defaulthost": "dh.example\n", "defaultdomain": "dd.example\n", "plusdomain": "pd.example\n"}

// newaliasesAt is newaliases with the table at path.
func newaliasesAt(path string) func(*prog.Process) int {
	return func(p *prog.Process) int { return newaliases(p, path) }
}

func call(t *testing.T, run func(*prog.Process) int, home, stdin string, args ...string) progtest.Result {
	t.Helper()
	return progtest.Run(t, run, progtest.Call{Home: home, Args: args, Stdin: stdin})
}

// mode is the mode of a file.
func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Stat(path)
	testkit.Must(t, err)
	return st.Mode()
}

func TestNewaliases(t *testing.T) {
	h, etc := home(t, controls), t.TempDir()
	table := etc + "/aliases"
	testkit.Write(t, table, "list: a@b, :include:/l\nowner-list: \"|p\", x\n")
	testkit.Must(t, os.WriteFile(table+".tmp", []byte(strings.Repeat("x", 9999)), 0o600)) // of a crash
	if r := call(t, newaliasesAt(table), h, "", "newaliases", "ignored"); r != (progtest.Result{}) {
		t.Errorf("%+v", r)
	}
	want := ":list@=/l.bin\x00&a@b.dd.example\x00 ?list@=owner-list@dh.example :owner-list@=!p\x00&x@dh.example\x00"
	if got := testkit.Records(t, table+".cdb"); got != want {
		t.Errorf("records %q, want %q", got, want)
	}
	if m := mode(t, table+".cdb"); m != 0o644 || testkit.Content(t, table+".tmp") != testkit.Absent {
		t.Errorf("mode %v, tmp %q", m, testkit.Content(t, table+".tmp"))
	}
}

// What completes addresses.
func TestHosts(t *testing.T) {
	tests := []struct {
		name     string
		controls map[string]string
		env      []string
		want     string // of: a b@c d@e+
	}{
		{"all", controls, nil, "&d@e.pd.example &b@c.dd.example &a@dh.example"},
		{"me", map[string]string{"me": "m.e\n"}, nil, "&d@e.m.e &b@c.m.e &a@m.e"},
		{"none", nil, nil, "&d@e.me &b@c.me &a@me.me"},
		{"short host", map[string]string{"me": "m.e", "defaulthost": "h"}, nil, "&d@e.m.e &b@c.m.e &a@h.m.e"},
		{"plus host", map[string]string{"me": "m.e", "defaulthost": "h+", "plusdomain": "p"}, nil, "&d@e.p &b@c.m.e &a@h.p"},
		{"environment", controls, []string{"QMAILDEFAULTHOST=x.y", "QMAILDEFAULTDOMAIN=u", "QMAILPLUSDOMAIN="}, "&d@e. &b@c.u &a@x.y"},
	}
	for _, tt := range tests {
		h := home(t, tt.controls)
		list := filepath.Join(t.TempDir(), "list")
		testkit.Write(t, list, "a b@c d@e+\n")
		r := progtest.Run(t, Newinclude, progtest.Call{Home: h, Env: tt.env, Args: []string{"newinclude", list}})
		got := strings.ReplaceAll(strings.TrimSuffix(testkit.Content(t, list+".bin"), "\x00"), "\x00", " ")
		if r != (progtest.Result{}) || got != tt.want {
			t.Errorf("%s: %+v, %q, want %q", tt.name, r, got, tt.want)
		}
	}
}

// compilers are the two that read a named source.
var compilers = []struct {
	name, suffix string
	run          func(path string) func(*prog.Process) int
}{
	{"newaliases", ".cdb", newaliasesAt},
	{"newinclude", ".bin", func(string) func(*prog.Process) int { return Newinclude }},
}

// TestSourceFailures: each failing call of the two that read a named source has
// its text, and leaves the old file.
func TestSourceFailures(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(h, file string)
		text  string // HOME and FILE stand for theirs
		code  int
	}{
		{"home", func(h, _ string) { testkit.Must(t, os.RemoveAll(h)) }, "unable to chdir to HOME: file does not exist", 111},
		{"controls", func(h, _ string) { testkit.Must(t, os.RemoveAll(h+"/control")) }, "unable to read controls: file does not exist", 111},
		{"control is a directory", func(h, _ string) {
			testkit.Must(t, os.Remove(h+"/control/me"))
			testkit.Must(t, os.Mkdir(h+"/control/me", 0o755))
		}, "unable to read controls: is a directory", 111},
		{"plusdomain is a directory", func(h, _ string) {
			testkit.Must(t, os.Remove(h+"/control/plusdomain"))
			testkit.Must(t, os.Mkdir(h+"/control/plusdomain", 0o755))
		}, "unable to read controls: is a directory", 111},
		{"control is no host", func(h, _ string) {
			testkit.Write(t, h+"/control/plusdomain", "a\"b")
		}, "bad host name in control file: .a\"b", 111},
		{"absent", func(_, f string) { testkit.Must(t, os.Remove(f)) }, "unable to read FILE: file does not exist", 111},
		{"directory", func(_, f string) {
			testkit.Must(t, os.Remove(f))
			testkit.Must(t, os.Mkdir(f, 0o755))
		}, "unable to read FILE: is a directory", 111},
		{"FIFO", func(_, f string) {
			testkit.Must(t, os.Remove(f))
			testkit.Must(t, syscall.Mkfifo(f, 0o644))
		}, "unable to read FILE: not a file", 111},
		{"bad line", func(_, f string) { testkit.Write(t, f, "a: b\n(\n") }, "unable to parse this line: (\n", 111},
		{"disk full", func(_, f string) { testkit.Full(t, f+".tmp") }, "unable to write to FILE.tmp: out of disk space", 111},
	}
	for _, pr := range compilers {
		for _, tt := range tests {
			h, file := home(t, controls), filepath.Join(t.TempDir(), "file")
			testkit.Write(t, file, "a: b\n")
			testkit.Write(t, file+pr.suffix, "old")
			tt.spoil(h, file)
			r := call(t, pr.run(file), h, "", pr.name, file)
			want := pr.name + ": fatal: " + strings.NewReplacer("HOME", h, "FILE", file).Replace(tt.text) + "\n"
			if r.Code != tt.code || r.Out != "" || r.Err != want {
				t.Errorf("%s, %s: %+v, want %d, %q", pr.name, tt.name, r, tt.code, want)
			}
			if got := testkit.Content(t, file+pr.suffix); got != "old" {
				t.Errorf("%s, %s: the old file is %q", pr.name, tt.name, got)
			}
		}
	}
}

// Failures whose texts differ between the two.
func TestCompilersDiffer(t *testing.T) {
	for _, pr := range compilers {
		h, file := home(t, controls), filepath.Join(t.TempDir(), "file")
		testkit.Write(t, file, "a: b\n")
		testkit.Occupied(t, file+pr.suffix)
		r := call(t, pr.run(file), h, "", pr.name, file)
		if want := pr.name + ": fatal: unable to move " + file + ".tmp to " + file + pr.suffix + ": is a directory\n"; r.Code != 111 || r.Err != want {
			t.Errorf("%s: %+v, want %q", pr.name, r, want)
		}
		testkit.Must(t, os.Remove(file+".tmp"))
		testkit.Occupied(t, file+".tmp")
		what := map[string]string{"newaliases": "create ", "newinclude": "write to "}[pr.name]
		r = call(t, pr.run(file), h, "", pr.name, file)
		if want := pr.name + ": fatal: unable to " + what + file + ".tmp: is a directory\n"; r.Code != 111 || r.Err != want {
			t.Errorf("%s: %+v, want %q", pr.name, r, want)
		}
		testkit.Write(t, file, "a: "+strings.Repeat("b", 900)+"\n")
		testkit.Must(t, os.RemoveAll(file+".tmp"))
		r = call(t, pr.run(file), h, "", pr.name, file)
		code := map[string]int{"newaliases": 100, "newinclude": 111}[pr.name]
		text := map[string]string{"newaliases": "addresses over 800 bytes are not permitted", "newinclude": "addresses must be under 800 bytes"}[pr.name]
		if want := pr.name + ": fatal: " + text + "\n"; r.Code != code || r.Err != want {
			t.Errorf("%s: %+v, want %q", pr.name, r, want)
		}
	}
	if r := call(t, Newinclude, home(t, nil), "", "newinclude"); r != (progtest.Result{Code: 100, Err: "newinclude: usage: newinclude list\n"}) {
		t.Errorf("newinclude without an argument: %+v", r)
	}
}

// setPrograms are the two that read descriptor 0 and write a named file.
var setPrograms = []struct {
	name, usage, in, want, bad, text string
	run                              func(*prog.Process) int
	badCode                          int
}{
	{"setforward", "data.cdb data.tmp", "a@: b@c, ?o@h;", "?a@=o@h :a@=&b@c\x00", "a: b", "final instruction must end with semicolon", Setforward, 100},
	{"setmaillist", "list.bin list.tmp", "a@b\n./x\n", "&a@b\x00./x\x00", "a\x00b\n", "NUL in input", Setmaillist, 111},
}

func TestSet(t *testing.T) {
	for _, p := range setPrograms {
		dir := t.TempDir()
		name, tmp := dir+"/name", dir+"/tmp"
		testkit.Must(t, os.WriteFile(tmp, []byte("leftover"), 0o600))
		if r := call(t, p.run, "", p.in, p.name, name, tmp, "ignored"); r != (progtest.Result{}) {
			t.Errorf("%s: %+v", p.name, r)
		}
		got := testkit.Content(t, name)
		if p.name == "setforward" {
			got = testkit.Records(t, name)
		} else if m := mode(t, name); m != 0o644 {
			t.Errorf("%s: mode %v", p.name, m)
		}
		if got != p.want || testkit.Content(t, tmp) != testkit.Absent {
			t.Errorf("%s: %q, tmp %q, want %q", p.name, got, testkit.Content(t, tmp), p.want)
		}
		old, fatal := testkit.Content(t, name), p.name+": fatal: "
		for _, tt := range []struct {
			in   string
			args []string
			code int
			text string
		}{
			{"", nil, 100, p.name + ": usage: " + p.name + " " + p.usage},
			{"", []string{name}, 100, p.name + ": usage: " + p.name + " " + p.usage},
			{p.bad, []string{name, tmp}, p.badCode, fatal + p.text},
			{p.in, []string{name, dir + "/no/tmp"}, 111, fatal + "unable to create " + dir + "/no/tmp: file does not exist"},
			{p.in, []string{name, "/dev/full"}, 111, fatal + "unable to write to /dev/full: out of disk space"},
			{p.in, []string{dir + "/no/name", tmp}, 111,
				fatal + "unable to move " + tmp + " to " + dir + "/no/name: file does not exist"},
		} {
			r := call(t, p.run, "", tt.in, append([]string{p.name}, tt.args...)...)
			if r.Code != tt.code || r.Out != "" || r.Err != tt.text+"\n" {
				t.Errorf("%s %q %q: %+v, want %d %q", p.name, tt.in, tt.args, r, tt.code, tt.text)
			}
		}
		for fd, text := range unreadable(t) {
			r := progtest.Run(t, p.run, progtest.Call{Args: []string{p.name, name, tmp}, FDs: map[int]int{0: fd}})
			if r.Code != 111 || r.Err != fatal+"unable to read input: "+text+"\n" {
				t.Errorf("%s: %+v, want %q", p.name, r, text)
			}
		}
		if testkit.Content(t, name) != old {
			t.Errorf("%s: a failure changed the file", p.name)
		}
	}
}

// unreadable are descriptors that cannot be read, and the error's text.
func unreadable(t *testing.T) map[int]string {
	t.Helper()
	fds := make(map[int]string)
	for name, text := range map[string]string{t.TempDir(): "is a directory", "/dev/null": "file descriptor not open"} {
		flag := os.O_RDONLY
		if name == "/dev/null" {
			flag = os.O_RDWR // as the run-time does for a closed one
		}
		f, err := os.OpenFile(name, flag, 0)
		testkit.Must(t, err)
		t.Cleanup(func() { _ = f.Close() })
		fds[int(f.Fd())] = text
	}
	return fds
}

// A table that does not fit in the writer's buffer fails while it is compiled.
func TestDiskFullOnTheWay(t *testing.T) {
	large := strings.Repeat("a: b;\n", 10000)
	r := call(t, Setforward, "", large, "setforward", "x", "/dev/full")
	if r.Code != 111 || r.Err != "setforward: fatal: unable to write to /dev/full: out of disk space\n" {
		t.Errorf("%+v", r)
	}
	table := filepath.Join(t.TempDir(), "aliases")
	testkit.Write(t, table, strings.ReplaceAll(large, ";", ""))
	testkit.Full(t, table+".tmp")
	r = call(t, newaliasesAt(table), home(t, controls), "", "newaliases")
	if r.Code != 111 || r.Err != "newaliases: fatal: unable to write to "+table+".tmp: out of disk space\n" {
		t.Errorf("%+v", r)
	}
}

func TestPrint(t *testing.T) {
	dir := t.TempDir()
	if r := call(t, Setforward, "", "Boss@: ?o@x.y, |prog\\ arg, ./l;\na@b: c;\n", "setforward", dir+"/c", dir+"/t"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	db := testkit.Content(t, dir+"/c")
	const text = "boss@: ?o@x.y;\nboss@:\n, |prog\\ arg\n, ./l\n;\na@b:\n, &c\n;\n"
	const bad, badList = "printforward: fatal: bad database format\n", "printmaillist: fatal: bad mailing list format\n"
	tests := []struct {
		name string
		run  func(*prog.Process) int
		in   string
		want progtest.Result
	}{
		{"database", Printforward, db, progtest.Result{Out: text}},
		{"database without tables", Printforward, db[:len(db)-3*16], progtest.Result{Out: text}},
		{"database that was cut", Printforward, db[:len(db)-3*16-1], progtest.Result{Code: 100, Out: text[:strings.Index(text, "a@b:")], Err: bad}},
		{"no database", Printforward, strings.Repeat("garbage", 500), progtest.Result{Code: 100, Err: bad}},
		{"nothing", Printforward, "", progtest.Result{Code: 100, Err: bad}},
		{"another database", Printforward, strings.Replace(db, "?boss@", "!boss@", 1), progtest.Result{Code: 100, Err: bad}},
		{"list", Printmaillist, "&a@b\x00/x\x00", progtest.Result{Out: "&a@b\n/x\n"}},
		{"empty list", Printmaillist, "", progtest.Result{}},
		{"list that was cut", Printmaillist, "&a@b\x00/x", progtest.Result{Code: 100, Out: "&a@b\n", Err: badList}},
		{"no list", Printmaillist, "&a\x00b\x00", progtest.Result{Code: 100, Err: badList}},
	}
	for _, tt := range tests {
		name := "printforward"
		if strings.Contains(tt.name, "list") {
			name = "printmaillist"
		}
		if r := call(t, tt.run, "", tt.in, name); r != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, r, tt.want)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	testkit.Must(t, err)
	defer func() { _ = full.Close() }()
	large := strings.Repeat("a@: "+strings.Repeat("b", 700)+";\n", 200)
	if r := call(t, Setforward, "", large, "setforward", dir+"/large", dir+"/t"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for _, tt := range []struct {
		name, in string
		run      func(*prog.Process) int
	}{{"printforward", db, Printforward}, {"printforward", testkit.Content(t, dir+"/large"), Printforward}, {"printmaillist", "&a\x00", Printmaillist}} {
		r := progtest.Run(t, tt.run, progtest.Call{Args: []string{tt.name}, Stdin: tt.in, FDs: map[int]int{1: int(full.Fd())}})
		if want := (progtest.Result{Code: 111, Err: tt.name + ": fatal: unable to write output: out of disk space\n"}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
		for fd, text := range unreadable(t) {
			r := progtest.Run(t, tt.run, progtest.Call{Args: []string{tt.name}, FDs: map[int]int{0: fd}})
			if want := (progtest.Result{Code: 111, Err: tt.name + ": fatal: unable to read input: " + text + "\n"}); r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
		}
	}
}

// TestLarge: 100,000 aliases, and a line of 100,000 addresses.
func TestLarge(t *testing.T) {
	var table bytes.Buffer
	for i := range 100000 {
		table.WriteString("user" + strconv.Itoa(i) + ": name@host.example\n")
	}
	table.WriteString("all: " + strings.Repeat("name@host.example, ", 100000) + "last\n")
	path := filepath.Join(t.TempDir(), "aliases")
	testkit.Must(t, os.WriteFile(path, table.Bytes(), 0o644))
	if r := call(t, newaliasesAt(path), home(t, controls), "", "newaliases"); r != (progtest.Result{}) {
		t.Fatalf("%+v", r)
	}
	st, err := os.Stat(path + ".cdb")
	testkit.Must(t, err)
	if st.Size() < 100000*(8+7+19+16)+100000*19 {
		t.Errorf("the database has %d bytes", st.Size())
	}
}
