package multilog

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tai64n"
	"goqmail/internal/testkit"
)

// A world is one multilog in a directory of its own. Its clock gives a new
// nanosecond each time; a pause fails the test unless it is expected.
type world struct {
	t      *testing.T
	dir    string
	in     *os.File // descriptor 0
	out    *os.File // descriptor 2
	sigs   sys.FD   // where signals are written
	m      *multilog
	paused func() // what happens in a pause
}

// newWorld prepares a run with in as its input, in a new directory that is the
// current one.
func newWorld(t *testing.T, in string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	t.Chdir(w.dir)
	w.restart(in)
	return w
}

// restart prepares another run in the same directory.
func (w *world) restart(in string) {
	t := w.t
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	write(t, path, in, 0o644)
	var err error
	if w.in, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	if w.out, err = os.Create(path + ".2"); err != nil {
		t.Fatal(err)
	}
	r, s, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.sigs = s
	in0, out := w.in, w.out
	t.Cleanup(func() { _, _, _, _ = in0.Close(), out.Close(), r.Close(), s.Close() })
	stamp := tai64n.Stamp{Sec: 1795201436}
	w.m = &multilog{
		p: &prog.Process{Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"}), FDs: map[int]sys.FD{2: sys.FD(w.out.Fd())}},
		pause: func() {
			if w.paused == nil {
				t.Fatalf("multilog pauses: %s", w.said())
			}
			w.paused()
		},
		now: func() tai64n.Stamp { stamp = stamp.Next(); return stamp },
		in:  input{fd: sys.FD(w.in.Fd()), signals: r, atLine: true},
	}
}

// run does the script.
func (w *world) run(script ...string) {
	w.t.Helper()
	if err := w.m.setUp(script); err != nil {
		w.t.Fatalf("%q: %v", script, err)
	}
	if code := w.m.run(); code != 0 {
		w.t.Errorf("%q: exit %d, %s", script, code, w.said())
	}
}

// said is what came on descriptor 2.
func (w *world) said() string { return testkit.Read(w.t, w.out.Name()) }

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// files lists a log: "NAME MODE CONTENT", old files as "@.CODE".
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		if e.Name() == "lock" {
			continue
		}
		name := e.Name()
		if _, ok := tai64n.Parse(name); ok {
			name = "@" + name[tai64n.Len:]
		}
		fi, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %o %s", name, fi.Mode().Perm(), testkit.Read(t, filepath.Join(dir, e.Name()))))
	}
	return out
}

// same compares a log with what it should be.
func same(t *testing.T, name, dir string, want ...string) {
	t.Helper()
	if got := files(t, dir); !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %.2000q, want %.2000q", name, got, want)
	}
}

// Recorded from multilog of Debian's daemontools 0.76-8.1, by the script
// -* +PATTERN e.
var matchTests = []struct {
	pattern, line string
	want          bool
}{
	{`hello`, `hello`, true},
	{`hello`, `hello world`, false},
	{``, ``, true},
	{``, `x`, false},
	{`*`, ``, true},
	{`*`, `anything`, true},
	{`named[*]: Cleaned cache *`, `named[135]: Cleaned cache of 3121 RRs`, true},
	{`* fatal: *`, `@400000003b4a39c23294b13c fatal: out of memory`, true},
	{`a*`, `a`, true},
	{`*a`, `ba`, true},
	{`*a`, `bab`, false},
	{`**a`, `*a`, true},
	{`**a`, `ba`, false},
	{`**`, `*`, true},
	{`**`, `x`, false},
	{`a**`, `ab*`, true},
	{`*:*`, `a:b`, true},
	{`\*`, `\`, true},
	{`\*`, `*`, false},
	{`*b*b`, `aabab`, true},
	{`status: local *`, `status: local 0/10 remote 0/20`, true},
	{`+x`, `+x`, true},
	{`**`, `**`, true},
	{`***`, `*aab`, true},
	{`aa**`, `*b`, false},
	{`*ba*`, ``, false},
	{`b**`, `b*a`, true},
	{`**`, `baa*`, true},
	{`***a`, `*aa`, false},
	{`****`, ``, false},
	{`*b*`, `b`, true},
	{`a`, `*b`, false},
	{`b`, `a`, false},
	{`*b`, `a`, false},
	{`b*b*`, `*`, false},
	{`ba**`, `a`, false},
	{`*`, `**a*`, true},
	{`*aa`, `a`, false},
	{`*b*`, `ab`, true},
	{`aba`, `a*`, false},
	{`*ba`, `a*b*`, false},
	{`a*`, `aaaa`, true},
	{`a***`, `a`, false},
	{`**b*`, `*b`, true},
	{`b*`, `bbb`, true},
	{`**b`, `**`, false},
	{`*bbb`, ``, false},
	{`ba*`, `*a*`, false},
}

func TestMatches(t *testing.T) {
	for _, tt := range matchTests {
		if got := matches(tt.pattern, tt.line); got != tt.want {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.pattern, tt.line, got, tt.want)
		}
	}
}

// A pattern matches every line that it describes: its parts in order, with
// something for each star.
func FuzzMatches(f *testing.F) {
	for _, tt := range matchTests {
		f.Add(tt.pattern, tt.line)
	}
	f.Fuzz(func(t *testing.T, pattern, line string) {
		if !strings.Contains(pattern, "*") && matches(pattern, line) != (pattern == line) {
			t.Errorf("matches(%q, %q) without a star", pattern, line)
		}
		if !matches(pattern, line) || strings.HasSuffix(pattern, "*") {
			return // what follows a star changes its meaning
		}
		if !matches(pattern+"*", line+line) {
			t.Errorf("%q matches %q, but with a star not twice that", pattern, line)
		}
		if !matches(pattern+"x", line+"x") {
			t.Errorf("%q matches %q, but not both with x", pattern, line)
		}
	})
}

// Recorded from multilog of Debian's daemontools 0.76-8.1: sizes of the old
// files, oldest first, and of current.
func TestSizes(t *testing.T) {
	inputs := map[string]string{}
	var b bytes.Buffer
	keep := func(name string) { inputs[name] = b.String(); b.Reset() }
	for i := range 1500 {
		fmt.Fprintf(&b, "line %06d\n", i)
	}
	keep("short")
	for i := range 150 {
		b.WriteString(strings.Repeat("x", i*37%300) + "\n")
	}
	keep("mixed")
	b.WriteString(strings.Repeat("y", 20000) + "\n" + strings.Repeat("z\n", 2000))
	keep("long")
	for i := range 40 {
		b.WriteString(strings.Repeat("w", i*211%1500) + "\n")
	}
	keep("middle")
	tests := []struct {
		input, script string
		want          []int64
	}{
		{"short", "s4096 n20", []int64{2544, 2556, 2568, 2556, 2568, 2544, 2568, 96}},
		{"short", "s6000 n3", []int64{4092, 4104, 1632}},
		{"short", "s10 n1", []int64{2568, 96}},
		{"short", "s7777x n", []int64{6144, 5736}},
		{"mixed", "s4096 n20", []int64{2356, 2528, 2160, 2512, 2405, 2139, 2191, 2384, 2131, 1319}},
		{"mixed", "s6000 n3", []int64{4428, 4155, 921}},
		{"mixed", "s10 n1", []int64{2131, 1319}},
		{"mixed", "s7777x n", []int64{5835, 4329}},
		{"long", "s4096 n20", []int64{4096, 4096, 4096, 4096, 4095, 2560, 962}},
		{"long", "s6000 n3", []int64{6000, 4015, 1986}},
		{"long", "s10 n1", []int64{2560, 962}},
		{"long", "s7777x n", []int64{5949, 2498}},
		{"middle", "s4096 n20", []int64{2115, 2323, 2678, 3099, 2586, 3030, 2494, 2961, 2402, 2892, 2310, 730}},
		{"middle", "s6000 n3", []int64{5055, 5248, 1557}},
		{"middle", "s10 n1", []int64{2310, 730}},
		{"middle", "s7777x n", []int64{5932, 0}},
	}
	for _, tt := range tests {
		w := newWorld(t, inputs[tt.input])
		w.run(append(strings.Fields(tt.script), "./log")...)
		list, err := os.ReadDir("log")
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, e := range list {
			if fi, err := e.Info(); err == nil && (e.Name()[0] == '@' || e.Name() == "current") {
				got = append(got, fi.Size())
			}
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s, %s: sizes %d, want %d", tt.input, tt.script, got, tt.want)
		}
	}
}

func TestScript(t *testing.T) {
	long := strings.Repeat("l", 1200)
	tests := []struct {
		name   string
		in     string
		script []string
		want   map[string]string // file: content
		err    string
	}{
		{"a line without newline", "a\nb", []string{"./d"}, map[string]string{"d/current": "a\nb\n"}, ""},
		{"stamps", "a\n\nb\n", []string{"tx", "./d"}, map[string]string{"d/current": "@400000006b0099a600000001 a\n" +
			"@400000006b0099a600000002 \n@400000006b0099a600000003 b\n"}, ""},
		{"t is the first argument or nothing", "a\n", []string{"e", "t", "./d"}, map[string]string{"d/current": "a\n"}, "a\n"},
		{"selection in order", "ab\ncd\nef\n", []string{"./all", "-*", "+a*", "./a", "+*d", "-ab", "e", "./d"},
			map[string]string{"all/current": "ab\ncd\nef\n", "a/current": "ab\n", "d/current": "cd\n"}, "cd\n"},
		{"patterns see stamps", "a\n", []string{"t", "-a", "-@* a", "e"}, nil, ""},
		{"patterns see 1000 bytes", long + "x\n", []string{"-*", "+*x", "e", "+" + long[:1000], "./d"},
			map[string]string{"d/current": long + "x\n"}, ""},
		{"1000 bytes and no more", long[:1000] + "\nx", []string{"-*", "+" + long[:1000], "./d", "=s"},
			map[string]string{"d/current": long[:1000] + "\n", "s": long[:1000] + "\n"}, ""},
		{"alerts", long[:200] + "\n" + long[:201] + "\n\n", []string{"e"}, nil, long[:200] + "\n" + long[:200] + "...\n\n"},
		{"status", "one\ntwo\n-\n", []string{"--", "=s", "=t"}, map[string]string{
			"s": "two" + strings.Repeat("\n", 998), "t": "two" + strings.Repeat("\n", 998)}, ""},
		{"status of a long line", long + "\n", []string{"=s"}, map[string]string{"s": long[:1000] + "\n"}, ""},
		{"long line in one of two logs", long + long + "\n" + long + long, []string{"t", "./a", "-@400000006b0099a600000002*", "./b"},
			map[string]string{"a/current": "@400000006b0099a600000001 " + long + long + "\n@400000006b0099a600000002 " + long + long + "\n",
				"b/current": "@400000006b0099a600000001 " + long + long + "\n"}, ""},
		{"nothing", "a\n", nil, nil, ""},
		{"arguments that mean nothing", "a\n", []string{"", "x", "T", "e"}, nil, "a\n"},
		{"bytes", "\x00\xff\r\n", []string{"./d"}, map[string]string{"d/current": "\x00\xff\r\n"}, ""},
	}
	for _, tt := range tests {
		w := newWorld(t, tt.in)
		w.run(tt.script...)
		for name, want := range tt.want {
			if got := testkit.Read(t, name); got != want {
				t.Errorf("%s: %s holds %q, want %q", tt.name, name, got, want)
			}
		}
		if got := w.said(); got != tt.err {
			t.Errorf("%s: said %q, want %q", tt.name, got, tt.err)
		}
	}
}

// What is there when multilog starts. The first half is recorded from Debian's
// daemontools 0.76-8.1.
func TestRepair(t *testing.T) {
	type file struct {
		content string
		mode    os.FileMode
	}
	tests := []struct {
		name  string
		files map[string]file
		want  []string
	}{
		{"none", nil, []string{"current 744 ", "state 644 "}},
		{"finished", map[string]file{"current": {"c", 0o744}, "state": {"S", 0o644}}, []string{"current 744 c", "state 644 S"}},
		{"S0", map[string]file{"current": {"c", 0o644}, "state": {"S", 0o644}}, []string{"@.u 644 c", "current 744 ", "state 644 "}},
		{"S0, empty", map[string]file{"current": {"", 0o644}}, []string{"@.u 644 ", "current 744 ", "state 644 "}},
		{"S1", map[string]file{"previous": {"p", 0o644}}, []string{"@.u 644 p", "current 744 ", "state 644 "}},
		{"S1, current", map[string]file{"previous": {"p", 0o744}, "current": {"c", 0o644}},
			[]string{"@.u 744 p", "@.u 644 c", "current 744 ", "state 644 "}},
		{"S2", map[string]file{"previous": {"p", 0o744}, "current": {"c", 0o644}, "processed": {"x", 0o644}, "newstate": {"N", 0o644}, "state": {"S", 0o644}},
			[]string{"@.u 744 p", "@.u 644 c", "current 744 ", "state 644 "}},
		{"S3", map[string]file{"previous": {"p", 0o744}, "current": {"c", 0o644}, "processed": {"x", 0o744}, "newstate": {"N", 0o644}, "state": {"S", 0o644}},
			[]string{"@.s 744 x", "@.u 644 c", "current 744 ", "state 644 "}},
		{"S3, previous gone", map[string]file{"processed": {"x", 0o744}}, []string{"@.s 744 x", "current 744 ", "state 644 "}},
		{"finished, leftovers", map[string]file{"current": {"c", 0o744}, "previous": {"p", 0o744}}, []string{"current 744 c", "previous 744 p"}},
	}
	for _, tt := range tests {
		w := newWorld(t, "")
		if tt.files != nil {
			if err := os.Mkdir("log", 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for name, f := range tt.files {
			write(t, filepath.Join("log", name), f.content, f.mode)
		}
		w.run("./log")
		same(t, tt.name, "log", tt.want...)
	}
}

// S4: the final name exists already, the old one does too.
func TestRepairSecondName(t *testing.T) {
	for _, tt := range []struct {
		file, other string
		want        []string
	}{
		{"previous", "log/@400000006b0099a500000000.s", []string{"@.s 744 p", "current 744 ", "state 644 "}},
		{"processed", "log/@400000006b0099a500000000.s", []string{"@.s 744 p", "current 744 ", "state 644 "}},
		// A name that somebody made elsewhere is no reason to remove the file.
		{"previous", "mine", []string{"@.u 744 p", "current 744 ", "state 644 "}},
	} {
		w := newWorld(t, "")
		if err := os.Mkdir("log", 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, "log/"+tt.file, "p", 0o744)
		if err := os.Link("log/"+tt.file, tt.other); err != nil {
			t.Fatal(err)
		}
		w.run("./log")
		same(t, tt.file+" and "+tt.other, "log", tt.want...)
	}
}

// Files that cannot be opened end multilog before it reads.
func TestFatal(t *testing.T) {
	dir := func(name string) func(*testing.T) {
		return func(t *testing.T) { testkit.Occupied(t, name) }
	}
	loop := func(name string) func(*testing.T) {
		return func(t *testing.T) { testkit.Looping(t, name) }
	}
	tests := []struct {
		script string
		before func(*testing.T)
		want   string
	}{
		{"./a/b", nil, "unable to open directory ./a/b: file does not exist"},
		{"./f", func(t *testing.T) { testkit.NotDir(t, "f") }, "unable to open directory ./f: not a directory"},
		{"./d ./d", nil, "unable to lock directory ./d: temporary failure"},
		{"./d", dir("d/lock"), "unable to lock directory ./d: is a directory"},
		{"./d", loop("d/current"), "unable to stat ./d/current: symbolic link loop"},
		{"./d", dir("d/current"), "unable to append to ./d/current: is a directory"},
		{"./d", loop("d/processed"), "unable to stat ./d/processed: symbolic link loop"},
		{"./d", dir("d/state"), "unable to write to ./d/state: is a directory"},
		{"=a/b", nil, "unable to create a/b: file does not exist"},
		{"=.", nil, "unable to create .: is a directory"},
		{"=", nil, "unable to create : file does not exist"},
	}
	for _, tt := range tests {
		w := newWorld(t, "x\n")
		if tt.before != nil {
			tt.before(t)
		}
		err := w.m.setUp(strings.Fields(tt.script))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.script, err, tt.want)
		}
	}
}

// signalWorld is a world whose input is a pipe, and which gets more of it, and
// signals, each time it waits: one step for each wait, then the end.
func signalWorld(t *testing.T, steps ...func(w *world, in *os.File)) (w *world, rest func() string) {
	w = newWorld(t, "")
	r, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), in.Close() })
	w.m.in.fd = sys.FD(r.Fd())
	w.m.in.step = func() {
		if len(steps) == 0 {
			_ = in.Close()
			return
		}
		steps[0](w, in)
		steps = steps[1:]
	}
	return w, func() string {
		_ = in.Close()
		b, err := sys.FD(r.Fd()).ReadAll(1000)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// data and raise are steps.
func data(s string) func(*world, *os.File) {
	return func(w *world, in *os.File) {
		if _, err := in.WriteString(s); err != nil {
			w.t.Fatal(err)
		}
	}
}

func raise(b byte, s string) func(*world, *os.File) {
	return func(w *world, in *os.File) {
		if _, err := w.sigs.Write([]byte{b}); err != nil {
			w.t.Fatal(err)
		}
		data(s)(w, in)
	}
}

func TestTerm(t *testing.T) {
	tests := []struct {
		name    string
		steps   []func(*world, *os.File)
		current string
		rest    string
	}{
		{"before anything", []func(*world, *os.File){raise(sawTerm, "x\n")}, "", "x\n"},
		{"between lines", []func(*world, *os.File){data("a\n"), raise(sawTerm, "b\nc\n")}, "a\n", "b\nc\n"},
		{"in a line", []func(*world, *os.File){data("a\nb"), raise(sawTerm, "c\nd\ne")}, "a\nbc\n", "d\ne"},
		{"in a long line", []func(*world, *os.File){data(strings.Repeat("x", 1020)), raise(sawTerm, "c\nd\n")},
			strings.Repeat("x", 1020) + "c\n", "d\n"},
		{"in the last line", []func(*world, *os.File){data("a\nb"), raise(sawTerm, "")}, "a\nb\n", ""},
		{"another signal", []func(*world, *os.File){data("a\n"), raise(sawNothing, "b\n")}, "a\nb\n", ""},
	}
	for _, tt := range tests {
		w, rest := signalWorld(t, tt.steps...)
		w.run("./log")
		same(t, tt.name, "log", "current 744 "+tt.current, "state 644 ")
		if got := rest(); got != tt.rest {
			t.Errorf("%s: leaves %q, want %q", tt.name, got, tt.rest)
		}
	}
}

func TestAlarm(t *testing.T) {
	w, _ := signalWorld(t, raise(sawAlarm, ""), data("a\nb"), raise(sawAlarm, ""), raise(sawAlarm, "c\n"))
	w.run("./log", "-*", "./empty")
	same(t, "log", "log", "@.s 744 a\n", "current 744 bc\n", "state 644 ")
	same(t, "nothing logged", "empty", "current 744 ", "state 644 ")
}

// A read error ends multilog, after everything is on disk.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, "")
	d, err := os.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	w.m.in.fd = sys.FD(d.Fd())
	if err := w.m.setUp([]string{"./log"}); err != nil {
		t.Fatal(err)
	}
	if code, said := w.m.run(), w.said(); code != 111 || said != "multilog: fatal: unable to read input: is a directory\n" {
		t.Errorf("exit %d, %q", code, said)
	}
	same(t, "log", "log", "current 744 ", "state 644 ")
}

func TestProcessor(t *testing.T) {
	lines := strings.Repeat("0123456789abcde\n", 200) // one full file and some
	w := newWorld(t, lines)
	w.run("s4096", "!cat <&4; tr 0-9 x; echo state >&5", "./log")
	done := strings.Repeat("xxxxxxxxxxabcde\n", 160)
	same(t, "first", "log", "@.s 744 "+done, "current 744 "+lines[len(done):], "state 644 state\n")
	w.restart(lines)
	w.run("s4096", "!cat <&4; tr 0-9 x; echo state >&5", "./log")
	got := files(t, "log")
	if len(got) != 4 || !strings.HasPrefix(got[1], "@.s 744 state\nxxxxxxxxxxabcde\n") {
		t.Errorf("second: %q", got)
	}
	// An empty processor is none.
	w = newWorld(t, lines)
	w.run("s4096", "!false", "!", "./log")
	same(t, "none", "log", "@.s 744 "+lines[:len(done)], "current 744 "+lines[len(done):], "state 644 ")
}

// Trouble: what is wrong, what multilog says, and that no line is lost once it
// is put right.
func TestTrouble(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	in := strings.Repeat("0123456789abcde\n", 400)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		script string // an action before ./log
		before func()
		paused func()
		said   string
	}{
		{"disk full", "", func() { limit(1000) }, func() { limit(old.Cur) },
			"unable to write to ./log/current, pausing: file too big\n"},
		{"previous in the way", "", func() { testkit.Occupied(t, "log/previous") },
			func() { _ = os.RemoveAll("log/previous") },
			"unable to rename current to previous in directory ./log, pausing: is a directory\n"},
		{"processor fails", "!test -e ../ok && cat", func() {}, func() { write(t, "ok", "", 0o644) },
			"processor failed in ./log, pausing\n"},
		{"processor crashes", "!test -e ../ok || kill -9 $$; cat", func() {}, func() { write(t, "ok", "", 0o644) },
			"processor crashed in ./log, pausing\n"},
		{"processed in the way", "!cat", func() { testkit.Occupied(t, "log/processed") },
			func() { _ = os.RemoveAll("log/processed") },
			"processor failed in ./log, pausing\n"},
		{"old file cannot go", "n2", func() { testkit.Occupied(t, "log/@300000006b0099a500000000.s") }, nil,
			"unable to remove ./log/@300000006b0099a500000000.s: is a directory\n"},
	}
	for _, tt := range tests {
		w := newWorld(t, in)
		w.paused = tt.paused
		if err := w.m.setUp([]string{"s6000", tt.script, "./log"}); err != nil {
			t.Fatal(err)
		}
		tt.before()
		if code := w.m.run(); code != 0 {
			t.Errorf("%s: exit %d", tt.name, code)
		}
		limit(old.Cur)
		if got := w.said(); !strings.HasPrefix(strings.TrimPrefix(got, "multilog: fatal: unable to run cat: is a directory\n"),
			"multilog: warning: "+tt.said) {
			t.Errorf("%s: said %q, want %q", tt.name, got, tt.said)
		}
		if got := everything(t, "log"); got != in {
			t.Errorf("%s: %d bytes in the log, want %d", tt.name, len(got), len(in))
		}
	}
}

// everything is the content of a log's files, oldest first.
func everything(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() && (e.Name()[0] == '@' || e.Name() == "current") {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(testkit.Read(t, filepath.Join(dir, n)))
	}
	return b.String()
}

// A status file that cannot be written is tried again.
func TestStatusTrouble(t *testing.T) {
	w := newWorld(t, "x\n")
	if err := w.m.setUp([]string{"=/dev/full"}); err != nil {
		t.Fatal(err)
	}
	w.paused = func() {
		fd, err := sys.Cwd().Open("status", sys.WriteOnly|sys.Create, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		w.m.actions[0].status.fd = fd
	}
	if code := w.m.run(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got, want := w.said(), "multilog: warning: unable to write /dev/full, pausing: out of disk space\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if got, want := testkit.Read(t, "status"), "x"+strings.Repeat("\n", 1000); got != want {
		t.Errorf("status %q", got)
	}
}

// Two files finished in one nanosecond do not take each other's name.
func TestOneNanosecond(t *testing.T) {
	w := newWorld(t, strings.Repeat("0123456789abcde\n", 1000))
	w.m.now = func() tai64n.Stamp { return tai64n.Stamp{Sec: 5, Nano: 999999998} }
	w.run("s4096", "n20", "./log")
	if got := everything(t, "log"); got != testkit.Read(t, w.in.Name()) {
		t.Errorf("%d bytes in the log, want 16000: %q", len(got), files(t, "log"))
	}
}

// Whatever comes in, in whatever pieces: every byte is in the log, in order,
// and no file is larger than asked for.
func FuzzLog(f *testing.F) {
	f.Add("a\nb\n", 100, false)
	f.Add(strings.Repeat("line\n", 1000)+strings.Repeat("x", 9000), 4096, false)
	f.Add(strings.Repeat("\n", 5000)+"end", 5000, true)
	f.Add(strings.Repeat(strings.Repeat("y", 700)+"\n", 20), 4200, true)
	f.Fuzz(func(t *testing.T, in string, size int, alarm bool) {
		if len(in) > 20000 {
			return // every few thousand bytes cost an fsync
		}
		in = strings.Repeat(in, 1+6000/(len(in)+1))
		w := newWorld(t, in)
		if alarm {
			if _, err := w.sigs.Write([]byte{sawAlarm}); err != nil {
				t.Fatal(err)
			}
		}
		size = min(max(size, sizeMin), sizeMax)
		w.run(fmt.Sprintf("s%d", size), "n1000", "./log")
		if in != "" && !strings.HasSuffix(in, "\n") {
			in += "\n"
		}
		if got := everything(t, "log"); got != in {
			t.Fatalf("%d bytes in the log, want %d", len(got), len(in))
		}
		for _, name := range files(t, "log") {
			if len(name) > size+len("current 744 ") {
				t.Fatalf("a file of %d bytes, more than %d", len(name), size)
			}
		}
	})
}
