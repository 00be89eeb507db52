package sys

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWasClosed(t *testing.T) {
	open := func(name string, flags int) FD {
		fd, err := Cwd().Open(name, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fd.Close() })
		return fd
	}
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for _, tt := range []struct {
		name string
		fd   FD
		want bool
	}{
		{"as the run-time opens it", open("/dev/null", ReadWrite), true},
		{"empty input", open("/dev/null", ReadOnly), false},
		{"another device", open("/dev/zero", ReadWrite), false},
		{"pipe", r, false},
		{"not open", 9999, true},
	} {
		if got := tt.fd.WasClosed(); got != tt.want {
			t.Errorf("%s: WasClosed() = %v", tt.name, got)
		}
	}
	if r.ReadyWithin(time.Millisecond) {
		t.Error("an empty pipe is ready")
	}
	if _, err := w.WriteString("x"); err != nil || !r.ReadyWithin(time.Minute) {
		t.Errorf("a pipe with a byte in it is not ready (%v)", err)
	}
	if !FD(9999).ReadyWithin(time.Minute) {
		t.Error("a closed descriptor lets itself be waited for")
	}
	if got := ErrText(ErrWasClosed); got != "file descriptor not open" {
		t.Errorf("ErrText(ErrWasClosed) = %q", got)
	}
	if err := w.ToNull(); err != nil || w.WasClosed() {
		t.Errorf("ToNull: %v", err)
	}
	if _, err := w.WriteString("lost"); err != nil {
		t.Errorf("writing after ToNull: %v", err)
	}
}

func TestOpenSearchDir(t *testing.T) {
	d := t.TempDir()
	for _, name := range []string{"search", "none"} {
		if err := os.Mkdir(d+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(d+"/search/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d+"/search", 0o100); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d+"/none", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(d+"/search", 0o700) }) // so that it can be removed
	s, err := Cwd().OpenSearchDir(d + "/search")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Stat("file"); err != nil {
		t.Error(err)
	}
	if _, err := Cwd().OpenSearchDir(d + "/search/file"); err == nil {
		t.Error("a file was opened as directory")
	}
	if _, err := Cwd().OpenSearchDir(d + "/absent"); !IsNotExist(err) {
		t.Errorf("absent: %v", err)
	}
	if _, err := Cwd().OpenSearchDir(d + "/none"); unix.Geteuid() != 0 && !IsAccess(err) {
		t.Errorf("without rights: %v", err)
	}
}

// poll(2) takes 31 bits of milliseconds; a longer time limit must not become a
// short one or none.
func TestLongWait(t *testing.T) {
	for _, d := range []time.Duration{1 << 31 * time.Second, 4294968 * time.Second, 24 * time.Hour} {
		if ms := millis(d, time.Now().Add(d)); ms <= 0 || ms > 1<<31-1 || time.Duration(ms)*time.Millisecond > d+time.Second {
			t.Errorf("millis(%v) = %d", d, ms)
		}
	}
	if ms := millis(-1, time.Now()); ms != -1 {
		t.Errorf("millis(-1) = %d", ms)
	}
	if ms := millis(0, time.Now()); ms != 0 {
		t.Errorf("millis(0) = %d", ms)
	}
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	if ready, err := r.Wait(Readable, 2*time.Millisecond); ready || err != nil {
		t.Errorf("Wait = %v, %v", ready, err)
	}
	if ready, err := WaitAny([]FD{r}, []int16{Readable}, 2*time.Millisecond); ready[0] || err != nil {
		t.Errorf("WaitAny = %v, %v", ready, err)
	}
}

// A Timed writer waits for a peer that does not read, on a socket and on a
// pipe, and gives up after its limit.
func TestTimedWrite(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	pr, pw, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _, _, _ = FD(pair[0]).Close(), FD(pair[1]).Close(), pr.Close(), pw.Close() }()
	for _, tt := range []struct {
		name     string
		in, out  FD
		isSocket bool
	}{{"socket", FD(pair[0]), FD(pair[1]), true}, {"pipe", pr, pw, false}} {
		if got := tt.out.IsSocket(); got != tt.isSocket {
			t.Errorf("%s: IsSocket() = %v", tt.name, got)
		}
		for _, notSocket := range []bool{false, !tt.isSocket} {
			w := Timed{FD: tt.out, Limit: 20 * time.Millisecond, NotSocket: notSocket}
			if n, err := w.Write([]byte("hello")); n != 5 || err != nil {
				t.Errorf("%s: Write = %d, %v", tt.name, n, err)
			}
			big := make([]byte, 4<<20)
			n, err := w.Write(big)
			if n >= len(big) || err != ErrTimeout {
				t.Errorf("%s: nobody reads: Write = %d, %v", tt.name, n, err)
			}
			for left, buf := n+5, make([]byte, 65536); left > 0; {
				k, err := tt.in.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				left -= k
			}
		}
	}
}
