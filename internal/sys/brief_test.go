package sys

import (
	"io"
	"runtime"
	"testing"
	"time"
)

func TestAwaitBriefly(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if r.AwaitBriefly(Readable, time.Microsecond) {
		t.Error("an empty pipe is readable")
	}
	if !w.AwaitBriefly(Writable, time.Hour) {
		t.Error("an empty pipe is not writable")
	}
	// It does not wait for longer than Brief, whatever is asked for.
	began := time.Now()
	if r.AwaitBriefly(Readable, time.Hour) || time.Since(began) < Brief/2 {
		t.Errorf("waited %v, or the pipe is readable", time.Since(began))
	}
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	in := Timed{FD: r, Limit: time.Second, Alone: true}
	if n, err := in.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	in.Limit = time.Millisecond
	if _, err := in.Read(make([]byte, 8)); !IsTimeout(err) {
		t.Errorf("nothing to read: %v", err)
	}
	_ = w.Close()
	if !r.AwaitBriefly(Readable, time.Hour) {
		t.Error("the end of a pipe is not readable")
	}
	if !FD(1<<20).AwaitBriefly(Readable, time.Hour) {
		t.Error("what is not open must be found out by using it")
	}
}

func TestUnnamed(t *testing.T) {
	d := open(t, t.TempDir())
	if err := d.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := d.CreateUnnamed("sub", 0o640)
	if err != nil {
		t.Skipf("no such files here: %v", err)
	}
	defer func() { _ = fd.Close() }()
	if names, err := d.Names("sub"); len(names) != 0 || err != nil {
		t.Errorf("names %q, %v", names, err)
	}
	if _, err := fd.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	st, _ := fd.Stat()
	if err := d.LinkOpen(fd, "none/a"); !IsNotExist(err) {
		t.Errorf("in a directory that is not there: %v", err)
	}
	if err := d.LinkOpen(fd, "a"); err != nil {
		t.Fatal(err)
	}
	if err := d.LinkOpen(fd, "a"); !IsExist(err) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := d.LinkOpen(fd, "sub/b"); err != nil {
		t.Errorf("a second name: %v", err)
	}
	if got, err := d.Stat("a"); err != nil || got.Ino != st.Ino || got.Nlink != 2 || got.Perm() != 0o640 || got.Size != 1 {
		t.Errorf("Stat(a) = %+v, %v", got, err)
	}
	if _, err := d.CreateUnnamed("none", 0o600); err == nil {
		t.Error("made where there is no directory")
	}
}

func TestWriteAlone(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "abc"} {
		if n, err := w.WriteAlone([]byte(s)); n != len(s) || err != nil {
			t.Errorf("WriteAlone(%q) = %d, %v", s, n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := r.ReadReady(b[:0]); n != 0 || err != nil {
		t.Errorf("ReadReady of nothing = %d, %v", n, err)
	}
	if n, err := r.ReadReady(b); string(b[:n]) != "abc" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if n, err := r.ReadReady(b); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := w.ReadReady(b); err == nil {
		t.Error("the wrong end was read")
	}
	_ = r.Close()
	r, w, err = Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if _, err := w.WriteAlone([]byte("x")); !IsBrokenPipe(err) {
		t.Errorf("nobody reads: %v", err)
	}
	_ = w.Close()
}

// Where another goroutine may take a packet first, nobody waits for it in the
// kernel: that wait could last until its end.
func TestAwaitBrieflyShared(t *testing.T) {
	conn, theirs, err := PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Close(), theirs.Close() }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	began := time.Now()
	for range 100 {
		conn.AwaitBriefly(Brief)
	}
	if took := time.Since(began); took > 50*Brief {
		t.Errorf("100 waits took %v", took)
	}
}
