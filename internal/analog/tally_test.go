package analog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tai64n"
	"goqmail/internal/testkit"
)

// process is a Process with these variables.
func process(env ...string) *prog.Process { return &prog.Process{Env: prog.NewEnv(env)} }

// A pick makes numbers that are the same in every run.
type pick uint64

func (p *pick) below(n int) int {
	*p = *p*6364136223846793005 + 1442695040888963407
	return int(uint64(*p) >> 33 % uint64(n))
}

// TestTally compares with a map, with room for a few keys or bytes only, so that
// runs are written, merged, and merged again.
func TestTally(t *testing.T) {
	for _, tt := range []struct {
		size       size
		max        int // of runs of a level
		keys, adds int
	}{
		{size{1000, 1000}, 4, 20, 500}, // all in memory
		{size{1000, 5}, 4, 50, 5000},
		{size{1000, 1}, 2, 20, 500},
		{size{10, 1000}, 3, 50, 2000},
		{size{1, 1000}, 64, 50, 500}, // a key alone is too long
	} {
		dir := t.TempDir()
		s := newSpill(process("TMPDIR=" + dir))
		s.max = tt.max
		tally, want := newTally(tt.size, s), map[string]sums{}
		p := pick(tt.adds)
		for range tt.adds {
			key := strings.Repeat("k", p.below(4)) + strconv.Itoa(p.below(tt.keys))
			add := sums{delay: tai64n.Span{Sec: int64(p.below(9)) - 4, Nano: int64(p.below(1e9))}}
			for i := range add.n {
				add.n[i] = float64(p.below(1000))
			}
			got, err := tally.at([]byte(key))
			if err != nil {
				t.Fatal(err)
			}
			got.add(&add)
			w := want[key]
			w.add(&add)
			want[key] = w
		}
		var keys []string
		err := tally.each(func(key []byte, got *sums) error {
			keys = append(keys, string(key))
			if w := want[string(key)]; *got != w {
				t.Errorf("%+v: %q has %+v, want %+v", tt, key, *got, w)
			}
			return nil
		})
		if err != nil || len(keys) != len(want) || !slices.IsSorted(keys) {
			t.Errorf("%+v: %v, %d keys, want %d; sorted: %v", tt, err, len(keys), len(want), slices.IsSorted(keys))
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("%+v: left %v, %v", tt, names, err)
		}
		s.close()
	}
}

// TestSpilledReports: with room for almost nothing all reports are the same.
func TestSpilledReports(t *testing.T) {
	var log strings.Builder
	p := pick(1)
	for i := range 300 {
		r, to := "kzd"[p.below(3):][:1], strconv.Itoa(p.below(40))
		start, took := 1000+p.below(500), p.below(50)
		log.WriteString("d " + r + " 1000.5 " + strconv.Itoa(start) + ".25 " + strconv.Itoa(start+took-5) + ".5 " + to + " <s" + to + "> local.r@" + to +
			" " + strconv.Itoa(i) + " " + strconv.Itoa(p.below(9)) + " reason_" + to + "\n")
		if p.below(2) == 0 {
			log.WriteString("m 1000 " + strconv.Itoa(start) + " " + to + " 1 2 3 <s" + to + "> " + strconv.Itoa(i) + " " + strconv.Itoa(p.below(9)) + "\n")
		}
	}
	for name, tool := range tools() {
		var want string
		for _, s := range []size{tallySize(), {100, 4}} {
			var out bytes.Buffer
			r := &run{p: process("TMPDIR=" + t.TempDir()), name: name, size: s, in: newLines(strings.NewReader(log.String()), reportLine), out: bufio.NewWriter(&out)}
			if code := r.end(tool.do(r, "s7")); code != 0 || r.bad > 0 {
				t.Fatalf("%s: exit %d, %d bad lines", name, code, r.bad)
			}
			if want == "" {
				want = out.String()
			} else if out.String() != want {
				t.Errorf("%s with little memory:\n%s\nwant\n%s", name, out.String(), want)
			}
		}
	}
}

// TestSpillFails: each call on the temporary file fails once.
func TestSpillFails(t *testing.T) {
	open := func(path string, flags int) func() (sys.FD, error) {
		return func() (sys.FD, error) { return sys.Cwd().Open(path, flags, 0) }
	}
	dir := t.TempDir()
	full := dir + "/full"
	testkit.Full(t, full)
	tests := []struct {
		name string
		open func() (sys.FD, error)
		want string
	}{
		{"no directory", func() (sys.FD, error) { return tempFile(process("TMPDIR=" + dir + "/none")) },
			"unable to create temporary file: file does not exist"},
		{"disk full", open(full, sys.WriteOnly), "unable to write temporary file: out of disk space"},
		{"cannot seek", func() (sys.FD, error) {
			r, w, err := sys.Pipe()
			if err == nil {
				t.Cleanup(func() { _ = r.Close() })
			}
			return w, err
		}, "unable to write temporary file: unseekable descriptor"},
		{"cannot read", open("/dev/null", sys.ReadWrite), "unable to read temporary file: end of file"},
	}
	for _, tt := range tests {
		s := newSpill(process())
		s.open, s.max = tt.open, 2
		tally := newTally(size{100, 2}, s)
		var err error
		for i := 0; i < 50 && err == nil; i++ {
			_, err = tally.at([]byte{byte(i)})
		}
		if err == nil {
			err = tally.each(func([]byte, *sums) error { return nil })
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		s.close()
	}
}

// TestTempName: a name that is taken is passed over, and what lies there is left
// alone.
func TestTempName(t *testing.T) {
	dir := t.TempDir()
	taken := dir + "/.matchup." + strconv.Itoa(os.Getpid()) + ".0"
	if err := os.Symlink("elsewhere", taken); err != nil {
		t.Fatal(err)
	}
	fd, err := tempFile(process("TMPDIR=" + dir))
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left %v", names)
	}
	if st, err := fd.Stat(); err != nil || st.Nlink != 0 || st.Perm() != 0o600 {
		t.Errorf("%+v, %v", st, err)
	}
}

// chunks gives its input in pieces of n bytes, then an error.
type chunks struct {
	s   string
	n   int
	err error
}

func (c *chunks) Read(b []byte) (int, error) {
	if c.s == "" {
		return 0, c.err
	}
	n := copy(b, c.s[:min(c.n, len(c.s))])
	c.s = c.s[n:]
	return n, nil
}

// TestLines: however the input comes, lines are the same; "|" ends a line, "+" a
// piece of one.
func TestLines(t *testing.T) {
	const max = 4
	for in, want := range map[string]string{
		"": "", "\n": "|", "a": "a|", "a\n": "a|", "a\nb": "a|b|", "\n\n": "||", "abcd\nabcd": "abcd|abcd|",
		"abcde\nx":         "abcde+|x|",
		"abcdefghij":       "abcde+fghij+|",
		"abcdefghijk\ny\n": "abcde+fghij+k|y|",
	} {
		for n := 1; n < 12; n++ {
			l := newLines(&chunks{in, n, io.EOF}, max)
			var got strings.Builder
			err := l.each(func(line []byte) error {
				got.WriteString(string(line) + "|")
				return nil
			}, func(p piece) error {
				got.Write(p.text)
				got.WriteByte("+|"[map[bool]int{true: 1}[p.last]])
				return nil
			})
			if err != nil || got.String() != want && n > max {
				t.Errorf("%q in pieces of %d: %s, %v, want %s", in, n, got.String(), err, want)
			}
			if text := strings.ReplaceAll(got.String(), "+", ""); text != strings.ReplaceAll(want, "+", "") {
				t.Errorf("%q in pieces of %d: %s, want %s", in, n, text, want)
			}
		}
	}
}

// Input and output that fail.
func TestBorderFails(t *testing.T) {
	broken := sys.NewError("read", "x", errors.New("x"))
	for name, tool := range tools() {
		r := &run{p: process(), name: name, size: tallySize(), in: newLines(&chunks{"d k 1 2 3 4 <7> 7 7 8 r\n", 9, broken}, reportLine), out: bufio.NewWriter(io.Discard)}
		if err := tool.do(r, "7"); err == nil || !strings.HasPrefix(err.Error(), "unable to read input: ") {
			t.Errorf("%s: %v", name, err)
		}
		full, err := sys.Cwd().Open("/dev/full", sys.WriteOnly, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := process()
		null, _ := os.Create(t.TempDir() + "/2")
		p.FDs = map[int]sys.FD{2: sys.FD(null.Fd())}
		r = &run{p: p, name: name, size: tallySize(), in: newLines(strings.NewReader("m 1 2 166 0 3 0 <7> 7 8\nd k 1 2 3 4 <7> 7 7 8 r\n"), reportLine), out: bufio.NewWriterSize(full, 16)}
		if code := r.end(tool.do(r, "7")); code != exitFailed {
			t.Errorf("%s: exit %d on a full disk", name, code)
		}
		said, _ := os.ReadFile(null.Name())
		if want := name + ": fatal: unable to write output: out of disk space\n"; string(said) != want {
			t.Errorf("%s says %q, want %q", name, said, want)
		}
		_, _ = full.Close(), null.Close()
	}
	m := newMatchup(bufio.NewWriter(io.Discard))
	if err := m.run(newLines(&chunks{goodLog, 9, broken}, logLine), io.Discard); err == nil || !strings.HasPrefix(err.Error(), "unable to read input: ") {
		t.Errorf("matchup: %v", err)
	}
	full, err := sys.Cwd().Open("/dev/full", sys.WriteOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for size, log := range map[int]string{16: "? x\n", 100: "? x\n", 17: strings.Repeat("x", 2*logLine) + "\n"} {
		err := newMatchup(bufio.NewWriterSize(full, size)).run(newLines(strings.NewReader(log), logLine), io.Discard)
		if err == nil || err.Error() != "unable to write output: out of disk space" {
			t.Errorf("matchup: %v", err)
		}
	}
}
