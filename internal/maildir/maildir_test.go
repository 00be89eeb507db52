package maildir

import (
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

// home makes a directory with a Maildir in it.
func home(t *testing.T) (string, *sys.Dir) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	base, err := sys.Cwd().OpenSearchDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	return dir, base
}

// deliverer has a clock that only Sleep moves.
func deliverer() *Deliverer {
	now := time.Unix(1795201397, 0)
	return &Deliverer{
		PID: 6127, Host: "vm", Now: func() time.Time { return now },
		Sleep: func(d time.Duration) { now = now.Add(d) },
	}
}

// files lists what is in tmp, new and cur.
func files(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	for _, d := range []string{Tmp, New, Cur} {
		names, err := sys.Cwd().Names(filepath.Join(dir, "Maildir", d))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			out = append(out, d+"/"+n)
		}
	}
	return strings.Join(out, " ")
}

func TestDeliver(t *testing.T) {
	dir, base := home(t)
	d := deliverer()
	body := "Subject: x\r\n\nFrom me\nno newline \xff\x00"
	for _, msg := range []string{body, "", strings.Repeat("x", 3*bufSize+5)} {
		if err := d.Deliver(base, "./Maildir/", "Return-Path: <>\n", strings.NewReader(msg)); err != nil {
			t.Fatalf("Deliver: %v", err)
		}
	}
	want := "new/1795201397.6127.vm new/1795201397.6127_1.vm new/1795201397.6127_2.vm"
	if got := files(t, dir); got != want {
		t.Errorf("files = %s, want %s", got, want)
	}
	got, err := os.ReadFile(filepath.Join(dir, "Maildir/new/1795201397.6127.vm"))
	if string(got) != "Return-Path: <>\n"+body || err != nil {
		t.Errorf("file = %q, %v", got, err)
	}
	st, err := os.Stat(filepath.Join(dir, "Maildir/new/1795201397.6127_2.vm"))
	if err != nil || st.Size() != 3*bufSize+5+16 {
		t.Errorf("long message: %v, %v", st, err)
	}
	long := strings.Repeat("y", bufSize+1)
	if err := d.Deliver(base, "Maildir", long, strings.NewReader("z")); err != nil {
		t.Errorf("long head: %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "Maildir/new/1795201397.6127_3.vm")); string(got) != long+"z" {
		t.Errorf("long head: %d bytes", len(got))
	}
}

func TestName(t *testing.T) {
	for host, want := range map[string]string{
		"mx.example.test": "mx.example.test", "a/b:c": `a\057b\072c`, "": "", strings.Repeat("h", 64): strings.Repeat("h", 63),
	} {
		d := deliverer()
		d.Host, d.count = host, 1
		if got := d.name(); got != "1795201397.6127."+want {
			t.Errorf("name for host %q = %q, want %q", host, got, want)
		}
	}
}

// brokenReader gives some bytes, then an error that is not the end.
type brokenReader struct{ r io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == io.EOF {
		err = errors.New("disk")
	}
	return n, err
}

func TestFailures(t *testing.T) {
	occupy := func(dir string, names ...string) {
		for _, n := range names {
			if err := os.WriteFile(filepath.Join(dir, "Maildir", n), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		spoil func(dir string)
		path  string
		msg   io.Reader
		want  error // nil: another error; or errors.Is
		left  string
	}{
		{name: "no Maildir", path: "./absent/", want: ErrDirectory},
		{name: "a file", spoil: func(dir string) { testkit.NotDir(t, dir+"/file") }, path: "./file/", want: ErrDirectory},
		{name: "a loop", spoil: func(dir string) { testkit.Looping(t, dir+"/loop") }, path: "./loop/", want: ErrDirectory},
		{name: "tmp is a file", spoil: func(dir string) {
			_ = os.Remove(dir + "/Maildir/tmp")
			testkit.NotDir(t, dir+"/Maildir/tmp")
		}, left: "-"},
		{name: "new is a file", spoil: func(dir string) {
			_ = os.Remove(dir + "/Maildir/new")
			testkit.NotDir(t, dir+"/Maildir/new")
		}, left: "-"},
		{name: "three names taken", spoil: func(dir string) {
			occupy(dir, "tmp/1795201397.6127.vm", "tmp/1795201399.6127.vm", "tmp/1795201401.6127.vm")
		}, left: "tmp/1795201397.6127.vm tmp/1795201399.6127.vm tmp/1795201401.6127.vm"},
		{name: "name taken in new", spoil: func(dir string) { occupy(dir, "new/1795201397.6127.vm") }, left: "new/1795201397.6127.vm"},
		{name: "read error", msg: brokenReader{strings.NewReader("x")}, want: ErrRead},
	}
	for _, tt := range tests {
		dir, base := home(t)
		if tt.spoil != nil {
			tt.spoil(dir)
		}
		if tt.path == "" {
			tt.path = "./Maildir/"
		}
		if tt.msg == nil {
			tt.msg = strings.NewReader("x")
		}
		err := deliverer().Deliver(base, tt.path, "", tt.msg)
		switch {
		case err == nil:
			t.Errorf("%s: no error", tt.name)
		case tt.want != nil && !errors.Is(err, tt.want):
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		case tt.want == nil && (errors.Is(err, ErrDirectory) || errors.Is(err, ErrRead) || errors.Is(err, ErrTimeout)):
			t.Errorf("%s: %v, want another error", tt.name, err)
		}
		if tt.left == "-" {
			continue
		}
		if got := files(t, dir); got != tt.left {
			t.Errorf("%s: left %q, want %q", tt.name, got, tt.left)
		}
	}
}

func TestSecondName(t *testing.T) {
	dir, base := home(t)
	if err := os.WriteFile(filepath.Join(dir, "Maildir/tmp/1795201397.6127.vm"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := deliverer().Deliver(base, "Maildir/", "", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	want := "tmp/1795201397.6127.vm new/1795201399.6127.vm"
	if got := files(t, dir); got != want {
		t.Errorf("files = %s, want %s", got, want)
	}
}

func TestFileSizeLimit(t *testing.T) {
	dir, base := home(t)
	testkit.FileSizeLimit(t, 1000)
	err := deliverer().Deliver(base, "Maildir/", "head\n", strings.NewReader(strings.Repeat("x", 1000)))
	if !sys.Temporary(err) {
		t.Errorf("Deliver beyond the file size limit: %v, want a temporary error", err)
	}
	if got := files(t, dir); got != "" {
		t.Errorf("left %q", got)
	}
}

// TestTimeLimit: a delivery that hangs while it reads is ended, its file removed,
// and it links nothing when it wakes up after all.
func TestTimeLimit(t *testing.T) {
	dir, base := home(t)
	d := deliverer()
	d.Limit = time.Millisecond
	r, w := io.Pipe()
	if err := d.Deliver(base, "Maildir/", "", r); err != ErrTimeout {
		t.Fatalf("Deliver of a message that does not come: %v, want ErrTimeout", err)
	}
	_ = w.Close()
	d.running.Wait()
	if got := files(t, dir); got != "" {
		t.Errorf("left %q", got)
	}
}

// TestDeath: the death of the process is set for each delivery, later than its own
// end of time, and taken back, however it ends.
func TestDeath(t *testing.T) {
	_, base := home(t)
	var set []time.Duration
	d := deliverer()
	d.Death = func(after time.Duration) { set = append(set, after) }
	for _, path := range []string{"Maildir/", "none/"} {
		_ = d.Deliver(base, path, "", strings.NewReader("x")) // one works, one does not
	}
	if len(set) != 4 || set[0] <= DeliveryTime || set[1] != 0 || set[2] != set[0] || set[3] != 0 {
		t.Errorf("Death was told %v", set)
	}
}

func TestAbandon(t *testing.T) {
	dir, base := home(t)
	a := &attempt{d: deliverer(), msg: strings.NewReader("x")}
	a.d.count = 1
	if _, tmp := a.abandon(); tmp != "" {
		t.Errorf("abandon() before the start = %q", tmp)
	}
	if err := a.run(base, "Maildir"); err != errAbandoned {
		t.Errorf("run() of an abandoned attempt: %v", err)
	}
	if got := files(t, dir); got != "" {
		t.Errorf("left %q", got)
	}
}

// TestUnreadableNew: a new that may be written but not read is no obstacle.
func TestUnreadableNew(t *testing.T) {
	dir, base := home(t)
	if err := os.Chmod(dir+"/Maildir/new", 0o300); err != nil {
		t.Fatal(err)
	}
	err := deliverer().Deliver(base, "Maildir/", "", strings.NewReader("x"))
	if cerr := os.Chmod(dir+"/Maildir/new", 0o700); cerr != nil {
		t.Fatal(cerr)
	}
	if got := files(t, dir); err != nil || got != "new/1795201397.6127.vm" {
		t.Errorf("Deliver: %v, left %q", err, got)
	}
}
