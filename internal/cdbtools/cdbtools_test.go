package cdbtools

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/assign"
	"goqmail/internal/prog"
	"goqmail/internal/rcpthosts"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// home makes a home directory with users and control, and the given files.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"users", "control"} {
		testkit.Must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	for name, content := range files {
		testkit.Write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func call(t *testing.T, run func(*prog.Process) int, home, stdin string, args ...string) progtest.Result {
	t.Helper()
	return progtest.Run(t, run, progtest.Call{Home: home, Args: args, Stdin: stdin})
}

func TestNewu(t *testing.T) {
	h := home(t, map[string]string{"users/assign": "=joe:j:1:2:/h:::\n+X:j:1:2:/h:-::\n.\n", "users/cdb": "old", "users/cdb.tmp": strings.Repeat("x", 9999)})
	if r := call(t, Newu, h, "", "qmail-newu"); r != (progtest.Result{}) {
		t.Fatalf("%+v", r)
	}
	want := "!joe\x00=j\x001\x002\x00/h\x00\x00 !x=j\x001\x002\x00/h\x00-\x00 =x"
	if got := testkit.Records(t, h+"/users/cdb"); got != want {
		t.Errorf("users/cdb has %q, want %q", got, want)
	}
	st, err := os.Stat(h + "/users/cdb")
	testkit.Must(t, err)
	if st.Mode() != 0o644 || testkit.Content(t, h+"/users/cdb.tmp") != testkit.Absent {
		t.Errorf("mode %v, cdb.tmp %q", st.Mode(), testkit.Content(t, h+"/users/cdb.tmp"))
	}
}

// TestNewuFailures: each failing call has its text, and leaves the old file.
func TestNewuFailures(t *testing.T) {
	const good = "=joe:j:1:2:/h:::\n.\n"
	large := strings.Repeat("=joe:j:1:2:/h:::\n", 1000) + ".\n"
	tests := []struct {
		name  string
		spoil func(t *testing.T, h string)
		text  string
	}{
		{"home", func(t *testing.T, h string) { testkit.Must(t, os.RemoveAll(h)) }, "unable to chdir"},
		{"no assign", func(t *testing.T, h string) { testkit.Must(t, os.Remove(h+"/users/assign")) }, "unable to open users/assign"},
		{"assign is a directory", func(t *testing.T, h string) {
			testkit.Must(t, os.Remove(h+"/users/assign"))
			testkit.Must(t, os.Mkdir(h+"/users/assign", 0o755))
		}, "unable to read users/assign"},
		{"bad line", func(t *testing.T, h string) {
			testkit.Write(t, h+"/users/assign", "=joe:j:1:2:/h:::\nx\n.\n")
		}, "bad format in users/assign"},
		{"cdb.tmp cannot be made", func(t *testing.T, h string) { testkit.Occupied(t, h+"/users/cdb.tmp") }, "unable to open users/cdb.tmp"},
		{"disk full at the end", func(t *testing.T, h string) { testkit.Full(t, h+"/users/cdb.tmp") }, "unable to write users/cdb.tmp"},
		{"disk full on the way", func(t *testing.T, h string) {
			testkit.Full(t, h+"/users/cdb.tmp")
			testkit.Write(t, h+"/users/assign", large)
		}, "unable to write users/cdb.tmp"},
		{"rename", func(t *testing.T, h string) {
			testkit.Must(t, os.Remove(h+"/users/cdb"))
			testkit.Occupied(t, h+"/users/cdb")
		}, "unable to move users/cdb.tmp to users/cdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := home(t, map[string]string{"users/assign": good, "users/cdb": "old"})
			tt.spoil(t, h)
			r := call(t, Newu, h, "", "qmail-newu")
			if r.Code != 111 || r.Out != "" || r.Err != "qmail-newu: fatal: "+tt.text+"\n" {
				t.Errorf("%+v, want %q", r, tt.text)
			}
			if tt.name != "rename" && tt.name != "home" && testkit.Content(t, h+"/users/cdb") != "old" {
				t.Errorf("users/cdb is %q", testkit.Content(t, h+"/users/cdb"))
			}
		})
	}
}

func TestNewmrh(t *testing.T) {
	h := home(t, map[string]string{"control/morercpthosts": "A.example \n#x\n\n.B\nlast"})
	if r := call(t, Newmrh, h, "", "qmail-newmrh"); r != (progtest.Result{}) {
		t.Fatalf("%+v", r)
	}
	if got, want := testkit.Records(t, h+"/control/"+rcpthosts.MoreCDB), "a.example= .b= last="; got != want {
		t.Errorf("records %q, want %q", got, want)
	}
	tests := []struct {
		name  string
		spoil func(t *testing.T, h string)
		text  string // H stands for the home
	}{
		{"home", func(t *testing.T, h string) { testkit.Must(t, os.RemoveAll(h)) }, "unable to chdir to H: file does not exist"},
		{"no source", func(t *testing.T, h string) { testkit.Must(t, os.Remove(h+"/control/morercpthosts")) },
			"unable to read control/morercpthosts: file does not exist"},
		{"tmp", func(t *testing.T, h string) { testkit.Occupied(t, h+"/control/morercpthosts.tmp") },
			"unable to write to control/morercpthosts.tmp: is a directory"},
		{"full", func(t *testing.T, h string) { testkit.Full(t, h+"/control/morercpthosts.tmp") },
			"unable to write to control/morercpthosts.tmp: out of disk space"},
		{"full on the way", func(t *testing.T, h string) {
			testkit.Full(t, h+"/control/morercpthosts.tmp")
			testkit.Write(t, h+"/control/morercpthosts", strings.Repeat("a.host\n", 1000))
		}, "unable to write to control/morercpthosts.tmp: out of disk space"},
		{"rename", func(t *testing.T, h string) { testkit.Occupied(t, h+"/control/morercpthosts.cdb") },
			"unable to move control/morercpthosts.tmp to control/morercpthosts.cdb: is a directory"},
	}
	for _, tt := range tests {
		h := home(t, map[string]string{"control/morercpthosts": "a\n"})
		tt.spoil(t, h)
		r := call(t, Newmrh, h, "", "qmail-newmrh")
		want := "qmail-newmrh: fatal: " + strings.Replace(tt.text, "H", h, 1) + "\n"
		if r.Code != 111 || r.Out != "" || r.Err != want {
			t.Errorf("%s: %+v, want %q", tt.name, r, want)
		}
	}
}

func TestTcprules(t *testing.T) {
	h := t.TempDir()
	name, tmp := h+"/r.cdb", h+"/r.tmp"
	if r := call(t, Tcprules, "", "127.:allow,RELAYCLIENT=\"\"\n:deny", "tcprules", name, tmp); r != (progtest.Result{}) {
		t.Fatalf("%+v", r)
	}
	if got, want := testkit.Records(t, name), "127.=+RELAYCLIENT=\x00 =D\x00"; got != want {
		t.Errorf("records %q, want %q", got, want)
	}
	old := testkit.Content(t, name)
	for _, tt := range []struct {
		in   string
		args []string
		code int
		text string
	}{
		{"", nil, 100, "tcprules: usage: tcprules rules.cdb rules.tmp"},
		{"", []string{name}, 100, "tcprules: usage: tcprules rules.cdb rules.tmp"},
		{"a:allow\nb\x00c\n", []string{name, tmp}, 100, "tcprules: fatal: unable to parse this line: b"},
		{"", []string{name, h + "/no/tmp"}, 111, "tcprules: fatal: unable to create " + h + "/no/tmp: file does not exist"},
		{"", []string{name, "/dev/full"}, 111, "tcprules: fatal: unable to write to /dev/full: out of disk space"},
		{strings.Repeat("10.0-255.:deny\n", 100), []string{name, "/dev/full"}, 111, "tcprules: fatal: unable to write to /dev/full: out of disk space"},
		{"", []string{h + "/no/cdb", tmp}, 111, "tcprules: fatal: unable to move " + tmp + " to " + h + "/no/cdb: file does not exist"},
	} {
		r := call(t, Tcprules, "", tt.in, append([]string{"tcprules"}, tt.args...)...)
		if r.Code != tt.code || r.Out != "" || r.Err != tt.text+"\n" {
			t.Errorf("%q %q: %+v, want %d %q", tt.in, tt.args, r, tt.code, tt.text)
		}
	}
	dir, err := os.Open(h)
	testkit.Must(t, err)
	defer func() { _ = dir.Close() }()
	r := progtest.Run(t, Tcprules, progtest.Call{Args: []string{"tcprules", name, tmp}, FDs: map[int]int{0: int(dir.Fd())}})
	if r.Code != 111 || r.Err != "tcprules: fatal: unable to read input: is a directory\n" {
		t.Errorf("input is a directory: %+v", r)
	}
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does
	testkit.Must(t, err)
	defer func() { _ = closed.Close() }()
	r = progtest.Run(t, Tcprules, progtest.Call{Args: []string{"tcprules", name, tmp}, FDs: map[int]int{0: int(closed.Fd())}})
	if r.Code != 111 || r.Err != "tcprules: fatal: unable to read input: file descriptor not open\n" {
		t.Errorf("input is closed: %+v", r)
	}
	if testkit.Content(t, name) != old {
		t.Error("a failure changed the cdb file")
	}
}

func TestTcprulescheck(t *testing.T) {
	h := t.TempDir()
	name := h + "/r.cdb"
	if r := call(t, Tcprules, "", "1.2.:allow,A=\"b\",B=\"x y\"\n=h:deny\n", "tcprules", name, h+"/t"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	testkit.Write(t, h+"/junk", "junk")
	for _, tt := range []struct {
		env  []string
		args []string
		want progtest.Result
	}{
		{[]string{"TCPREMOTEIP=1.2.3.4"}, []string{name},
			progtest.Result{Out: "rule 1.2.:\nset environment variable A=b\nset environment variable B=x y\nallow connection\n"}},
		{[]string{"TCPREMOTEHOST=h"}, []string{name}, progtest.Result{Out: "rule =h:\ndeny connection\n"}},
		{nil, []string{name, "1.2.3.4"}, progtest.Result{Out: "default:\nallow connection\n"}},
		{nil, nil, progtest.Result{Code: 100, Err: "tcprulescheck: usage: tcprulescheck rules.cdb\n"}},
		{nil, []string{h + "/no"}, progtest.Result{Code: 111, Err: "tcprulescheck: fatal: unable to read " + h + "/no: file does not exist\n"}},
		{nil, []string{h}, progtest.Result{Code: 111, Err: "tcprulescheck: fatal: unable to read " + h + ": is a directory\n"}},
		{nil, []string{h + "/junk"}, progtest.Result{Code: 111, Err: "tcprulescheck: fatal: unable to read " + h + "/junk: protocol error\n"}},
	} {
		r := progtest.Run(t, Tcprulescheck, progtest.Call{Env: tt.env, Args: append([]string{"tcprulescheck"}, tt.args...)})
		if r != tt.want {
			t.Errorf("%q %q: %+v, want %+v", tt.env, tt.args, r, tt.want)
		}
	}
}

func TestPw2u(t *testing.T) {
	me := t.TempDir() // a home that belongs to who runs the test
	uid := os.Getuid()
	const alias = "alias:x:7790:2108::/a:/bin/true\n"
	const aliasLines = "+:alias:7790:2108:/a:-::\n=alias:alias:7790:2108:/a:::\n+alias-:alias:7790:2108:/a:-::\n"
	tests := []struct {
		name  string
		files map[string]string
		in    string
		args  string
		code  int
		out   string
		err   string
	}{
		{"alias only", nil, alias, "-H", 0, aliasLines + ".\n", ""},
		{"root, short lines, NUL, no name, capitals", nil, alias + "root:x:0:0::/:\nshort:x:1\nv\x00:x:5:5::/:\n:x:5:5::/:\nUp:x:5:5::/:\nx:x:y:5::/:\n", "-H", 0, aliasLines + ".\n", ""},
		{"capitals", nil, alias + "Up:x:5:6::/u:\n", "-Hu", 0, aliasLines + "=Up:Up:5:6:/u:::\n+Up-:Up:5:6:/u:-::\n.\n", ""},
		{"slash, other break", nil, "alias:x:1:2::/a:", "-H/c+", 0, "+:alias:1:2:/a:-/::\n=alias:alias:1:2:/a:::\n+alias+:alias:1:2:/a:-/::\n.\n", ""},
		{"no break", nil, "alias:x:1:2::/a:\n", "-HC", 0, "+:alias:1:2:/a:-::\n=alias:alias:1:2:/a:::\n.\n", ""},
		{"missing home skipped", nil, alias, "-o", 111, "", "unable to find alias user"},
		{"missing home stops", nil, alias, "-h", 111, "", "unable to stat /a"},
		{"home that cannot be seen", nil, "u:x:5:5::/dev/null/x:\n", "-o", 111, "", "unable to stat /dev/null/x"},
		{"own home", nil, "joe:x:" + strconv.Itoa(uid+1) + ":5::" + me + ":\n", "-o", 111, "", "unable to find alias user"},
		{"include", map[string]string{"users/include": "ALIAS\n"}, alias + "b:x:5:5::/b:\n", "-H", 0, aliasLines + ".\n", ""},
		{"exclude", map[string]string{"users/exclude": "B\n"}, alias + "b:x:5:5::/b:\n", "-H", 0, aliasLines + ".\n", ""},
		{"mailnames", map[string]string{"users/mailnames": "b:b1::b2:\nc:\n"}, alias + "b:x:5:6::/b:\nc:x:5:6::/c:\n", "-H", 0,
			aliasLines + "=b1:b:5:6:/b:::\n+b1-:b:5:6:/b:-::\n=b2:b:5:6:/b:::\n+b2-:b:5:6:/b:-::\n.\n", ""},
		{"subusers", map[string]string{"users/subusers": "bad\n#x:y:z:\ns:ALIAS:p:", "users/append": "x"}, alias, "-H", 0,
			aliasLines + "=s:alias:7790:2108:/a:-:p:\n+s-:alias:7790:2108:/a:-:p-:\nx.\n", ""},
		{"subuser of nobody", map[string]string{"users/subusers": "s:alias::\nt:no:p:"}, alias, "-H", 111, aliasLines, "unable to find no user for subuser"},
	}
	for _, tt := range tests {
		h := home(t, tt.files)
		r := call(t, Pw2u, h, tt.in, "qmail-pw2u", tt.args)
		if tt.err != "" {
			tt.err = "qmail-pw2u: fatal: " + tt.err + "\n"
		}
		if want := (progtest.Result{Code: tt.code, Out: tt.out, Err: tt.err}); r != want {
			t.Errorf("%s: %+v, want %+v", tt.name, r, want)
		}
		if tt.code == 0 && tt.files["users/append"] == "" {
			if err := assign.Compile([]byte(r.Out), func(_, _ []byte) error { return nil }); err != nil {
				t.Errorf("%s: qmail-newu does not take it: %v", tt.name, err)
			}
		}
	}
	if uid > 0 {
		r := call(t, Pw2u, home(t, nil), "alias:x:"+strconv.Itoa(uid)+":5::"+me+":\n", "qmail-pw2u", "-C")
		if want := "+:alias:" + strconv.Itoa(uid) + ":5:" + me + ":-::\n=alias:alias:" + strconv.Itoa(uid) + ":5:" + me + ":::\n.\n"; r.Out != want {
			t.Errorf("own home: %+v, want %q", r, want)
		}
	}
}

func TestPw2uFailures(t *testing.T) {
	const alias = "alias:x:7790:2108::/a:/bin/true\n"
	for _, name := range []string{"include", "exclude", "mailnames", "subusers", "append"} {
		h := home(t, nil)
		testkit.Occupied(t, h+"/users/"+name)
		if r := call(t, Pw2u, h, alias, "qmail-pw2u", "-H"); r.Code != 111 || r.Err != "qmail-pw2u: fatal: unable to read controls\n" {
			t.Errorf("users/%s is a directory: %+v", name, r)
		}
	}
	if r := call(t, Pw2u, t.TempDir()+"/no", alias, "qmail-pw2u"); r.Code != 111 || r.Err != "qmail-pw2u: fatal: unable to chdir\n" {
		t.Errorf("no home: %+v", r)
	}
	for opt, text := range map[string]string{"-z": "illegal option -- z", "-c": "option requires an argument -- c"} {
		if r := call(t, Pw2u, home(t, nil), "", "qmail-pw2u", opt); r.Code != 100 || r.Err != "qmail-pw2u: "+text+"\n" {
			t.Errorf("%s: %+v", opt, r)
		}
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	testkit.Must(t, err)
	defer func() { _ = full.Close() }()
	dir, err := os.Open(t.TempDir())
	testkit.Must(t, err)
	defer func() { _ = dir.Close() }()
	for text, fds := range map[string]map[int]int{"unable to write output": {1: int(full.Fd())}, "unable to read input": {0: int(dir.Fd())}} {
		r := progtest.Run(t, Pw2u, progtest.Call{Home: home(t, nil), Args: []string{"qmail-pw2u", "-H"}, Stdin: alias, FDs: fds})
		if r.Code != 111 || r.Err != "qmail-pw2u: fatal: "+text+"\n" {
			t.Errorf("%+v, want %q", r, text)
		}
	}
}
