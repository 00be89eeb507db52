package mbox

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

var quoteTests = []struct{ name, in, want string }{
	{"empty", "", "\n"},
	{"plain", "Subject: x\n\nbody\n", "Subject: x\n\nbody\n\n"},
	{"no newline", "a\nb", "a\nb\n\n"},
	{"from", "From me\n>From you\n>>From x\n From z\n", ">From me\n>>From you\n>>>From x\n From z\n\n"},
	{"not quite", "From\nFromx\nfrom x\n> From\nFro\n>F\n", "From\nFromx\nfrom x\n> From\nFro\n>F\n\n"},
	{"from alone", "From ", ">From \n\n"},
	{"cut", ">>Fro", ">>Fro\n\n"},
	{"F twice", "FFrom x\nFFrom", "FFrom x\nFFrom\n\n"},
	{"empty lines", "\n\nFrom x\n\n", "\n\n>From x\n\n\n"},
	{"bytes", "\x00\xff\r\nFrom \xff", "\x00\xff\r\n>From \xff\n\n"},
}

func TestQuoter(t *testing.T) {
	for _, tt := range quoteTests {
		for size := 1; size <= len(tt.in)+1; size++ {
			var b bytes.Buffer
			q := NewQuoter(&b)
			for in := tt.in; in != ""; {
				n := min(size, len(in))
				if m, err := io.WriteString(q, in[:n]); m != n || err != nil {
					t.Fatalf("%s: Write = %d, %v", tt.name, m, err)
				}
				in = in[n:]
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want {
				t.Errorf("%s in pieces of %d: %q, want %q", tt.name, size, b.String(), tt.want)
			}
		}
	}
}

// unquote undoes what a Quoter did.
func unquote(s string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSuffix(s, "\n")) {
		if rest := strings.TrimLeft(line, ">"); rest != line && strings.HasPrefix(rest, "From ") {
			line = line[1:]
		}
		out.WriteString(line)
	}
	return out.String()
}

// FuzzQuoter: no line of the result looks like a From_ line, the message comes
// back but for the newline at its end, and pieces do not matter.
func FuzzQuoter(f *testing.F) {
	for _, tt := range quoteTests {
		f.Add(tt.in, 3)
	}
	f.Fuzz(func(t *testing.T, in string, cut int) {
		cut = max(0, min(cut, len(in)))
		var b bytes.Buffer
		q := NewQuoter(&b)
		for _, s := range []string{in[:cut], in[cut:]} {
			if _, err := io.WriteString(q, s); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if strings.HasPrefix(got, "From ") || strings.Contains(got, "\nFrom ") {
			t.Errorf("quoted %q: %q has a From_ line", in, got)
		}
		want := in
		if want != "" && !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if back := unquote(got); back != want {
			t.Errorf("quoted %q: %q, which gives back %q", in, got, back)
		}
	})
}

// here opens a new directory.
func here(t *testing.T) (string, *sys.Dir) {
	t.Helper()
	path := t.TempDir()
	dir, err := sys.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return path, dir
}

func TestAppend(t *testing.T) {
	path, dir := here(t)
	for _, msg := range []string{"Subject: a\n\nFrom x", strings.Repeat("y", 2*bufSize)} {
		if err := Append(dir, "./Mailbox", "From me\n", strings.NewReader(msg)); err != nil {
			t.Fatal(err)
		}
	}
	want := "From me\nSubject: a\n\n>From x\n\nFrom me\n" + strings.Repeat("y", 2*bufSize) + "\n\n"
	if got, err := os.ReadFile(path + "/Mailbox"); string(got) != want || err != nil {
		t.Errorf("mbox = %.60q (%d bytes), %v; want %d bytes", got, len(got), err, len(want))
	}
	if st, err := os.Stat(path + "/Mailbox"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600", st.Mode(), err)
	}
}

func TestFailures(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		mbox  string
		msg   io.Reader
		stage Stage
	}{
		{name: "no directory", mbox: "./no/such/mbox", stage: Open},
		{name: "a directory", mbox: ".", stage: Open},
		{name: "a loop", spoil: func(t *testing.T, p string) { testkit.Looping(t, p+"/m") }, stage: Open},
		{name: "a FIFO that nobody reads", spoil: func(t *testing.T, p string) {
			d, err := sys.OpenDir(p)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = d.Close() }()
			if err := d.Mkfifo("m", 0o600); err != nil {
				t.Fatal(err)
			}
		}, stage: Open},
		{name: "disk full", spoil: func(t *testing.T, p string) { testkit.Full(t, p+"/m") }, stage: Write},
		{name: "no fsync", mbox: "/dev/null", stage: Write},
		{name: "message unreadable", msg: io.MultiReader(strings.NewReader("x\n"), iotestErr{}), stage: Read},
		{name: "too large", spoil: func(t *testing.T, _ string) { testkit.FileSizeLimit(t, 20) }, stage: Write},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, dir := here(t)
			if tt.spoil != nil {
				tt.spoil(t, path)
			}
			if tt.mbox == "" {
				tt.mbox = "./m"
			}
			if tt.msg == nil {
				tt.msg = strings.NewReader("message of more than twenty bytes\n")
			}
			err := Append(dir, tt.mbox, "From x\n", tt.msg)
			var e *Error
			if !errors.As(err, &e) || e.Stage != tt.stage {
				t.Fatalf("Append: %v, want stage %d", err, tt.stage)
			}
			if st, err := os.Stat(filepath.Join(path, tt.mbox)); err == nil && st.Mode().IsRegular() && st.Size() != 0 {
				t.Errorf("mbox has %d bytes after the failure", st.Size())
			}
		})
	}
}

// iotestErr fails to read.
type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("disk") }

// TestCutBack: after a failure the old content stays as it was.
func TestCutBack(t *testing.T) {
	path, dir := here(t)
	const old = "From a\n\nold\n\n"
	if err := os.WriteFile(path+"/m", []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	long := strings.NewReader(strings.Repeat("x\n", bufSize))
	if err := Append(dir, "m", "From x\n", io.MultiReader(long, iotestErr{})); err == nil {
		t.Fatal("Append: no error")
	}
	if got, _ := os.ReadFile(path + "/m"); string(got) != old {
		t.Errorf("mbox = %.60q, want %q", got, old)
	}
}

// hold locks the file as another process would.
func hold(t *testing.T, path string) sys.FD {
	t.Helper()
	fd, err := sys.Cwd().Open(path, sys.WriteOnly|sys.Create, 0o600)
	if err == nil {
		err = fd.TryLock()
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestLocked(t *testing.T) {
	path, dir := here(t)
	other := hold(t, path+"/m")
	err := appendWithin(dir, "m", "From x\n", strings.NewReader("x"), time.Millisecond)
	var e *Error
	if !errors.As(err, &e) || e.Stage != Lock || !sys.IsTimeout(err) {
		t.Fatalf("Append to a locked mbox: %v", err)
	}
	done := make(chan error)
	go func() { done <- Append(dir, "m", "From x\n", strings.NewReader("x\n")) }()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Append after the lock was free: %v", err)
	}
	if got, _ := os.ReadFile(path + "/m"); string(got) != "From x\nx\n\n" {
		t.Errorf("mbox = %q", got)
	}
}

// TestReplaced: a mbox that is replaced by another file while we wait for its
// lock does not swallow the message.
func TestReplaced(t *testing.T) {
	path, dir := here(t)
	other := hold(t, path+"/m")
	opened := make(chan struct{})
	done := make(chan error)
	go func() {
		close(opened)
		done <- Append(dir, "m", "From x\n", strings.NewReader("x\n"))
	}()
	<-opened
	if err := os.WriteFile(path+"/new", []byte("From a\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"/new", path+"/m"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Append: %v", err)
	}
	if got, _ := os.ReadFile(path + "/m"); string(got) != "From a\n\nFrom x\nx\n\n" {
		t.Errorf("mbox = %q", got)
	}
}

func TestSameFile(t *testing.T) {
	path, dir := here(t)
	f, err := openOnce(dir, "m")
	if err != nil || !f.created || !f.regular {
		t.Fatalf("openOnce = %+v, %v", f, err)
	}
	if !sameFile(dir, "m", f.fd) {
		t.Error("sameFile of an untouched file is false")
	}
	if err := os.Remove(path + "/m"); err != nil {
		t.Fatal(err)
	}
	if sameFile(dir, "m", f.fd) {
		t.Error("sameFile of a removed file is true")
	}
	g, err := openOnce(dir, "m")
	if err != nil {
		t.Fatal(err)
	}
	if sameFile(dir, "m", f.fd) || !sameFile(dir, "m", g.fd) {
		t.Error("sameFile does not tell two files apart")
	}
	_, _ = f.fd.Close(), g.fd.Close()
}
