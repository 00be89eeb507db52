package sock

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// TestDialPolled: the end of an attempt to connect is noticed, also when it came
// before anybody waited for it.
func TestDialPolled(t *testing.T) {
	l, at := listenLoopback(t, "127.0.0.1", 128)
	closed, nobody := listenLoopback(t, "127.0.0.1", 1)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		c, err := DialPolled(at, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		peer, _, err := Accept(l)
		if err != nil {
			t.Fatal(err)
		}
		_ = peer.Close()
		c.Limit = 10 * time.Second
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("Read at the end: %v", err)
		}
		_ = c.Close()
		if _, err := DialPolled(nobody, 10*time.Second); !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatalf("nobody listens: %v", err)
		}
	}
}

func TestPolledLimits(t *testing.T) {
	l, at := listenLoopback(t, "127.0.0.1", 1)
	c, err := DialPolled(at, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	peer, _, err := Accept(l)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	c.Limit = 20 * time.Millisecond
	if _, err := c.Read(make([]byte, 1)); err != sys.ErrTimeout {
		t.Errorf("Read from a silent peer: %v, want ErrTimeout", err)
	}
	if n, err := c.Write(make([]byte, 64<<20)); err != sys.ErrTimeout || n == 0 {
		t.Errorf("Write to a peer that does not read: %d, %v, want ErrTimeout", n, err)
	}
	c.Limit = 10 * time.Second
	if _, err := peer.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if n, err := c.Read(b); n != 1 || err != nil || b[0] != 'x' {
		t.Errorf("Read after a time-out: %d, %v", n, err)
	}
	if _, err := DialPolled(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 25), time.Millisecond); err == nil {
		t.Error("an address that nobody has: no error")
	}
}
