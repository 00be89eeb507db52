package sys

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWriteSome(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.WriteSome(make([]byte, 3*pipeBuf)); n != pipeBuf || err != nil {
		t.Errorf("WriteSome to a pipe = %d, %v, want %d", n, err, pipeBuf)
	}
	_ = r.Close() // that is the test
	if _, err := w.WriteSome([]byte("x")); !IsBrokenPipe(err) {
		t.Errorf("WriteSome to a broken pipe: %v", err)
	}
	_ = w.Close() // nobody reads it
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := FD(pair[0]), FD(pair[1])
	total := 0
	for { // until it is full: then it does not wait
		n, err := a.WriteSome(make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		total += n
	}
	if total == 0 {
		t.Error("WriteSome wrote nothing to a socket")
	}
	_ = b.Close() // that is the test
	if _, err := a.WriteSome([]byte("x")); err == nil {
		t.Error("WriteSome to a socket that nobody has worked")
	}
	_ = a.Close() // nobody reads it
}

func TestSetName(t *testing.T) {
	before, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Skip("no /proc")
	}
	SetName("set by the test, too long")
	after, err := os.ReadFile("/proc/self/comm")
	if err != nil || string(after) != "set by the test\n" {
		t.Errorf("the name is %q, %v", after, err)
	}
	SetName(strings.TrimSpace(string(before)))
}
