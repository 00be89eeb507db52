package sock

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLocalDatagram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := DialLocal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, m := range []string{"one", "two\n", "x\x00y"} {
		if err := l.Send([]byte(m)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := server.Read(buf); err != nil || string(buf[:n]) != m {
			t.Errorf("server got %q, %v, want %q", buf[:n], err, m)
		}
	}
	_ = server.Close()
	if err := l.Send([]byte("late")); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("Send to a closed socket = %v, want ECONNREFUSED", err)
	}
}

func TestLocalStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	l, err := DialLocal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	peer, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Send([]byte("one")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "one\x00" {
		t.Errorf("server got %q, %v", buf[:n], err)
	}
	_ = peer.Close()
	if err := l.Send([]byte("late")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Send to a closed stream = %v, want EPIPE", err)
	}
}

func TestLocalAbsent(t *testing.T) {
	if _, err := DialLocal(filepath.Join(t.TempDir(), "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("DialLocal of nothing = %v, want ENOENT", err)
	}
}
