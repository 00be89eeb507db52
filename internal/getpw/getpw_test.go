package getpw

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/pipe"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is a directory in memory. Asking for the name fail gives an error, and
// so does examining the home /io.
type fake struct {
	fail     string
	prepared []string
}

var errLookup = errors.New("no answer")

var people = map[string]role.PasswdEntry{
	"joe":                              {Name: "joe", UID: 5, GID: 6, Home: "/owned/5"},
	"joe-x":                            {Name: "joe-x", UID: 7, GID: 6, Home: "/owned/7"},
	"root":                             {Name: "root", UID: 0, GID: 0, Home: "/owned/0"},
	"daemon":                           {Name: "daemon", UID: 1, GID: 1, Home: "/missing"},
	"other":                            {Name: "other", UID: 8, GID: 6, Home: "/owned/7"},
	"other-own":                        {Name: "other-own", UID: 9, GID: 6, Home: "/owned/9"},
	"stuck":                            {Name: "stuck", UID: 10, GID: 6, Home: "/io"},
	"alias":                            {Name: "alias", UID: 77, GID: 88, Home: "/a"},
	"cased":                            {Name: "Cased", UID: 5, GID: 6, Home: "/owned/5"},
	"abcdefghijklmnopqrstuvwxyzabcde":  {Name: "long", UID: 5, GID: 6, Home: "/owned/5"},
	"abcdefghijklmnopqrstuvwxyzabcdef": {Name: "too long", UID: 5, GID: 6, Home: "/owned/5"},
}

func (f *fake) Prepare(names []string) error {
	f.prepared = slices.Clone(names)
	if slices.Contains(names, "unprepared") {
		return errLookup
	}
	return nil
}

func (f *fake) Lookup(name string) (role.PasswdEntry, bool, error) {
	if name == f.fail {
		return role.PasswdEntry{}, false, errLookup
	}
	e, ok := people[name]
	return e, ok && f.fail != "no "+name, nil
}

func (f *fake) Owner(home string) (uint32, error) {
	switch {
	case home == "/io":
		return 0, sys.NewError("stat", home, unix.EIO)
	case strings.HasPrefix(home, "/owned/"):
		return uint32(home[len("/owned/")] - '0'), nil
	}
	return 0, sys.NewError("stat", home, unix.ENOENT)
}

func TestFind(t *testing.T) {
	tests := []struct {
		local, fail string
		want        string // user uid gid home dash ext
		code        int
	}{
		{"joe", "", "joe 5 6 /owned/5  ", 0},
		{"JOE", "", "joe 5 6 /owned/5  ", 0},
		{"joe-A-b", "", "joe 5 6 /owned/5 - A-b", 0},
		{"joe-", "", "joe 5 6 /owned/5 - ", 0},
		{"joe--", "", "joe 5 6 /owned/5 - -", 0},
		{"joe-x", "", "joe-x 7 6 /owned/7  ", 0},
		{"joe-x-Y", "", "joe-x 7 6 /owned/7 - Y", 0},
		{"cased-X", "", "Cased 5 6 /owned/5 - X", 0},
		{"root", "", "alias 77 88 /a - root", 0},
		{"daemon-x", "", "alias 77 88 /a - daemon-x", 0},
		{"other", "", "alias 77 88 /a - other", 0},
		{"other-own-x", "", "other-own 9 6 /owned/9 - x", 0},
		{"nosuch-A", "", "alias 77 88 /a - nosuch-A", 0},
		{"", "", "alias 77 88 /a - ", 0},
		{"-joe", "", "alias 77 88 /a - -joe", 0},
		{"abcdefghijklmnopqrstuvwxyzabcde", "", "long 5 6 /owned/5  ", 0},
		{"abcdefghijklmnopqrstuvwxyzabcde-x", "", "long 5 6 /owned/5 - x", 0},
		{"abcdefghijklmnopqrstuvwxyzabcdef", "", "alias 77 88 /a - abcdefghijklmnopqrstuvwxyzabcdef", 0},
		{"stuck-x", "", "", 115},
		{"joe-q", "joe-q", "", 118},
		{"joe-q", "joe", "", 118},
		{"joe-q", "nobody", "joe 5 6 /owned/5 - q", 0},
		{"nosuch", "alias", "", 118},
		{"nosuch", "no alias", "", 116},
		{"unprepared", "", "", 118},
	}
	for _, tt := range tests {
		n, code := find(&fake{fail: tt.fail}, tt.local)
		got := strings.Join([]string{n.User, n.UID, n.GID, n.Home, n.Dash, n.Ext}, " ")
		if code != tt.code || code == 0 && got != tt.want {
			t.Errorf("%s (fails: %s): %d %q, want %d %q", tt.local, tt.fail, code, got, tt.code, tt.want)
		}
	}
	f := &fake{}
	find(f, "Joe-x-Y")
	if want := []string{"joe-x-y", "joe-x", "joe", "alias"}; !slices.Equal(f.prepared, want) {
		t.Errorf("prepared %q, want %q", f.prepared, want)
	}
}

func TestScan(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	tests := []struct {
		name, file string
		names      []string
		want       string // "name uid," for each found, in order of names
		bad        bool
	}{
		{"simple", "root:x:0:0::/:/s\njoe:x:5:6::/j:/s\n", []string{"joe", "nosuch"}, "joe 5,", false},
		{"no LF at the end", "joe:x:5:6::/j:/s", []string{"joe"}, "joe 5,", false},
		{"no shell", "joe:x:5:6::/j\n", []string{"joe"}, "joe 5,", false},
		{"blanks before the name", " \tjoe:x:5:6::/j:\n", []string{"joe"}, "joe 5,", false},
		{"first sound line", "joe:x:?:6::/j:\njoe:x:7:6::/j:\njoe:x:8:6::/j:\n", []string{"joe"}, "joe 7,", false},
		{"prefixes", "jo:x:1:6::/j:\njoe-x:x:2:6::/j:\n", []string{"joe", "jo", "joe-x"}, "jo 1,joe-x 2,", false},
		{"plus and minus", "+:x:1:6::/:\n+a:x:1:6::/:\n-a:x:1:6::/:\n", []string{"+a", "-a", "+"}, "", false},
		{"comment, empty lines", "\n\n#joe:x:5:6::/j:\n:x:5:6::/:\n", []string{"joe", ""}, "", false},
		{"long line of another", long + ":x:1:1::/:\nx:" + long + ":\njoe:x:5:6::/j:\n", []string{"joe"}, "joe 5,", false},
		{"long line of another at the end", "joe:x:5:6::/j:\na:" + long, []string{"joe", "b"}, "joe 5,", false},
		{"long line wanted", "joe:x:5:6:" + long + ":/j:\n", []string{"joe"}, "", true},
		{"line of just the buffer", "a:" + long[:maxLine-3] + "\njoe:x:5:6::/j:\n", []string{"joe"}, "joe 5,", false},
		{"empty file", "", []string{"joe"}, "", false},
	}
	for _, tt := range tests {
		found, err := scan(strings.NewReader(tt.file), tt.names)
		got := ""
		for _, name := range tt.names {
			if e, ok := found[name]; ok {
				got += e.Name + " " + string(rune('0'+e.UID)) + ","
			}
		}
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: %q, error %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, file := range []string{"", "joe:x:5:6::/j", "a:" + long + long} {
		r := io.MultiReader(strings.NewReader(file), brokenReader{})
		if _, err := scan(r, []string{"joe"}); err != errLookup {
			t.Errorf("read error after %d bytes: %v", len(file), err)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errLookup }

// FuzzScan: one pass finds for all names what role.FindUser finds for each.
func FuzzScan(f *testing.F) {
	f.Add([]byte("root:x:0:0::/:/s\njoe:x:5:6::/j:/s\nb:x:?:1::/:\nb:x:1:1::/:/"), "joe", "b")
	f.Fuzz(func(t *testing.T, file []byte, a, b string) {
		for line := range bytes.Lines(file) {
			if len(line) > maxLine || isSpace(line[0]) && len(line) > 1 {
				return
			}
		}
		found, err := scan(bytes.NewReader(file), []string{a, b})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{a, b} {
			if strings.ContainsAny(name, ":\n") || name == "" || isSpace(name[0]) || name[0] == '+' || name[0] == '-' {
				continue
			}
			want, ok := role.FindUser(file, name)
			got, ok2 := found[name]
			if ok != ok2 || ok && got != want {
				t.Errorf("%q: %+v, %v, want %+v, %v", name, got, ok2, want, ok)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	file := bytes.Repeat([]byte("someone:x:12345:12345:Some One,,,:/home/someone:/bin/bash\n"), 100_000)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := scan(bytes.NewReader(file), []string{"zoe-list-a", "zoe-list", "zoe", "alias"}); err != nil {
			b.Fatal(err)
		}
	}
}

var nsswitches = []struct{ file, want string }{
	{"", "files"},
	{"group: files\n", "files"},
	{"passwd: files systemd\n", "files systemd"},
	{"# passwd: x\n\tpasswd :\tsss  files # y\n", "sss files"},
	{"passwd: files [NOTFOUND=return SUCCESS=continue] sss[UNAVAIL=return]ldap\n", "files sss ldap"},
	{"passwd: sss\npasswd: files", "files"},
	{"passwd:\n", "files"},
	{"passwd: [ x\n", "files"},
	{"passwds: sss\nxpasswd: sss\npasswd sss\n", "files"},
	{"passwd:compat\r\n", "compat"},
}

func TestSources(t *testing.T) {
	for _, tt := range nsswitches {
		if got := strings.Join(sources([]byte(tt.file)), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.file, got, tt.want)
		}
	}
}

// FuzzSources: there is always a source, and a list of sources reads back.
func FuzzSources(f *testing.F) {
	for _, tt := range nsswitches {
		f.Add([]byte(tt.file))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list := sources(b)
		again := sources([]byte("passwd: " + strings.Join(list, " ")))
		if len(list) == 0 || !slices.Equal(list, again) {
			t.Errorf("%q: %q, then %q", b, list, again)
		}
	})
}

// machine makes users of files in a directory of their own. The body of the
// getent script sees the name as $2.
func machine(t *testing.T, nsswitch, getent, probe string) *users {
	t.Helper()
	dir := t.TempDir()
	u := &users{passwd: dir + "/passwd", nsswitch: dir + "/nsswitch.conf", home: dir, limit: 20 * time.Second,
		getent: []string{dir + "/absent", dir + "/getent"}, env: os.Environ()}
	must(t, os.WriteFile(u.passwd, []byte("alias:x:77:88::/a:\njoe:x:5:6::/j:\n1234:x:9:9::/n:\n"), 0o644))
	if nsswitch != "" {
		must(t, os.WriteFile(u.nsswitch, []byte("passwd: "+nsswitch+"\n"), 0o644))
	}
	must(t, os.Mkdir(filepath.Join(dir, "control"), 0o755))
	if probe != "" {
		must(t, os.WriteFile(dir+"/control/nssprobe", []byte(probe+"\n"), 0o644))
	}
	if getent != "" {
		testkit.Script(t, dir+"/getent", getent)
	}
	return u
}

// ldap is a getent that knows ann and joe of a directory service.
const ldap = `case "$1 $2" in
"passwd ann") echo "ann:*:20:21:Ann:/home/ann:/bin/sh";;
"passwd joe") echo "joe:*:30:31:Joe:/home/joe2:/bin/sh";;
*) echo "never seen" >&2; exit 2;;
esac`

func TestLookup(t *testing.T) {
	const never = "echo x:x:1:1::/:; exit 0" // must not be asked
	tests := []struct {
		name, nsswitch, getent, probe string
		user, want                    string // want: "uid", "none" or "down"
	}{
		{"no nsswitch.conf", "", never, "", "joe", "5"},
		{"no nsswitch.conf, nobody", "", never, "", "ann", "none"},
		{"files", "files systemd", never, "", "ann", "none"},
		{"compat", "compat", never, "", "joe", "5"},
		{"only systemd", "systemd", never, "", "joe", "5"},
		{"files first", "files sss", never, "", "joe", "5"},
		{"files first, from getent", "files sss", ldap, "", "ann", "20"},
		{"files last", "sss files", ldap, "", "joe", "30"},
		{"no files", "sss", ldap, "", "joe", "30"},
		{"nobody", "files sss", ldap, "", "bob", "none"},
		{"nobody, source is up", "files sss", ldap, "ann", "bob", "none"},
		{"source is down", "files sss", "exit 2", "ann", "bob", "down"},
		{"source is down, user of files", "files sss", "exit 2", "ann", "joe", "5"},
		{"source is down, no probe", "files sss", "exit 2", "", "bob", "none"},
		{"probe of digits", "files sss", ldap, "123", "bob", "down"},
		{"getent fails", "files sss", "exit 1", "", "bob", "down"},
		{"getent is killed", "files sss", "kill -9 $$", "", "bob", "down"},
		{"getent prints rubbish", "files sss", "echo rubbish", "", "bob", "down"},
		{"getent prints nothing", "files sss", "exit 0", "", "bob", "down"},
		{"getent prints too much", "files sss", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "", "bob", "down"},
		{"no getent", "files sss", "", "", "bob", "down"},
		{"digits, not asked", "files sss", never, "", "4321", "none"},
		{"digits in passwd", "sss files", never, "", "1234", "9"},
		{"dash, not asked", "files sss", never, "", "-s", "none"},
		{"digits and more", "files sss", ldap, "", "12x", "none"},
	}
	for _, tt := range tests {
		u := machine(t, tt.nsswitch, tt.getent, tt.probe)
		must(t, u.Prepare([]string{tt.user, "alias"}))
		e, found, err := u.Lookup(tt.user)
		got := "none"
		switch {
		case err != nil:
			got = "down"
		case found:
			got = nughde(e, "", "").UID
		}
		if got != tt.want {
			t.Errorf("%s: %s is %s, error %v, want %s", tt.name, tt.user, got, err, tt.want)
		}
	}
}

// TestHanging: a getent that never answers, or never ends, costs the limit once
// for all its questions.
func TestHanging(t *testing.T) {
	for _, script := range []string{"exec sleep 60", "exec sleep 60 >/dev/null"} {
		u := machine(t, "files sss", script, "")
		u.limit = 100 * time.Millisecond
		must(t, u.Prepare([]string{"a", "b"}))
		begin := time.Now()
		for _, name := range []string{"a", "b"} {
			if _, _, err := u.Lookup(name); err == nil {
				t.Errorf("%s: no error", script)
			}
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("%s: took %v", script, d)
		}
	}
}

func TestProbeOnce(t *testing.T) {
	u := machine(t, "files sss", `echo "$2" >>"$0.log"`+"\n"+ldap, "ann")
	must(t, u.Prepare(nil))
	for _, name := range []string{"x", "y", "ann"} {
		if _, _, err := u.Lookup(name); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(u.getent[1] + ".log")
	must(t, err)
	if string(log) != "x\nann\ny\nann\n" {
		t.Errorf("asked for %q", log)
	}
}

func TestPrepareFailures(t *testing.T) {
	for name, spoil := range map[string]func(u *users){
		"no passwd":               func(u *users) { must(t, os.Remove(u.passwd)) },
		"passwd is a directory":   func(u *users) { must(t, os.Remove(u.passwd)); testkit.Occupied(t, u.passwd) },
		"nsswitch.conf is a loop": func(u *users) { testkit.Looping(t, u.nsswitch) },
	} {
		u := machine(t, "", "", "")
		spoil(u)
		if err := u.Prepare([]string{"joe"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	u := machine(t, "files sss", "exit 2", "")
	testkit.Occupied(t, u.home+"/control/nssprobe")
	must(t, u.Prepare([]string{"joe"}))
	if _, _, err := u.Lookup("bob"); err == nil {
		t.Error("nssprobe is a directory: no error")
	}
	u = machine(t, "sss", ldap, "")
	must(t, os.Remove(u.passwd)) // not asked for, not missed
	must(t, u.Prepare([]string{"ann"}))
	if e, found, err := u.Lookup("ann"); !found || err != nil || e.UID != 20 {
		t.Errorf("without /etc/passwd: %+v, %v, %v", e, found, err)
	}
}

func TestUsage(t *testing.T) {
	if r := progtest.Run(t, Run, progtest.Call{Args: []string{"qmail-getpw"}}); r != (progtest.Result{Code: 100}) {
		t.Errorf("%+v", r)
	}
}

// TestWorld is the whole program, with the machine's own getent.
func TestWorld(t *testing.T) {
	w := testkit.World{Users: []testkit.User{{Name: "joe", UID: 5001, GID: 5001, Home: "/home/joe"}}}
	testkit.InWorld(t, w, func(t *testing.T) {
		testkit.LookTool(t, "getent")
		must(t, os.Mkdir("/home/joe", 0o755))
		must(t, os.Chown("/home/joe", 5001, 5001))
		must(t, os.MkdirAll("/var/qmail/control", 0o755))
		call := func(local string) (pipe.Nughde, int) {
			r := progtest.Run(t, Run, progtest.Call{Home: "/var/qmail", Args: []string{"qmail-getpw", local}, Env: []string{"PATH=/bin"}})
			n, err := pipe.ParseNughde([]byte(r.Out))
			if r.Code == 0 && err != nil || r.Err != "" {
				t.Errorf("%s: %+v", local, r)
			}
			return n, r.Code
		}
		want := pipe.Nughde{User: "joe", UID: "5001", GID: "5001", Home: "/home/joe", Dash: "-", Ext: "X"}
		for _, sources := range []string{"files", "db files", "files db"} {
			must(t, os.WriteFile("/etc/nsswitch.conf", []byte("passwd: "+sources+"\n"), 0o644))
			if n, code := call("Joe-X"); code != 0 || n != want {
				t.Errorf("%s: %d %+v, want %+v", sources, code, n, want)
			}
			if n, code := call("nosuch"); code != 0 || n.User != "alias" || n.Ext != "nosuch" || n.Dash != "-" {
				t.Errorf("%s: %d %+v", sources, code, n)
			}
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		must(t, err)
		r := progtest.Run(t, Run, progtest.Call{Home: "/var/qmail", Args: []string{"qmail-getpw", "joe"}, FDs: map[int]int{1: int(full.Fd())}})
		if r.Code != 111 {
			t.Errorf("output cannot be written: %+v, want 111", r)
		}
		must(t, full.Close())
		must(t, os.WriteFile("/var/qmail/control/nssprobe", []byte("probe\n"), 0o644))
		if n, code := call("nosuch"); code != 118 {
			t.Errorf("probe not found: %d %+v, want 118", code, n)
		}
	})
}
