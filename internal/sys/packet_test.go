package sys

import (
	"errors"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func packetPair(t *testing.T) (*PacketConn, FD) {
	t.Helper()
	c, fd, err := PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), fd.Close() })
	return c, fd
}

func TestPackets(t *testing.T) {
	c, fd := packetPair(t)
	if !fd.IsPacketSocket() || FD(0).IsPacketSocket() {
		t.Error("IsPacketSocket does not tell a packet socket")
	}
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("hello"), []FD{r, w}, time.Second); err != nil {
		t.Fatal(err)
	}
	_, _ = r.Close(), w.Close()
	buf := make([]byte, 10)
	n, files, err := fd.ReceivePacket(buf)
	if err != nil || string(buf[:n]) != "hello" || len(files) != 2 {
		t.Fatalf("ReceivePacket = %q, %v, %v", buf[:n], files, err)
	}
	for _, f := range files {
		if flags, err := unix.FcntlInt(uintptr(f), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a passed descriptor is not close-on-exec: %d, %v", flags, err)
		}
	}
	if _, err := files[1].WriteString("through"); err != nil {
		t.Error(err)
	}
	if n, err := files[0].Read(buf); err != nil || string(buf[:n]) != "through" {
		t.Errorf("through the passed pipe: %q, %v", buf[:n], err)
	}
	CloseAll(files)
	if err := fd.SendPacket([]byte("back")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Receive(buf); err != nil || string(buf[:n]) != "back" {
		t.Errorf("Receive = %q, %v", buf[:n], err)
	}
}

// TestPacketsHostile: what does not fit is refused and leaves nothing open; files
// that a child passes do not arrive.
func TestPacketsHostile(t *testing.T) {
	c, fd := packetPair(t)
	before := openFiles(t)
	many := make([]FD, packetFiles+1)
	for i := range many {
		many[i] = fd
	}
	for _, tt := range []struct {
		packet string
		files  []FD
	}{{"longer than ten bytes", []FD{fd, fd}}, {"x", many}} {
		if err := c.Send([]byte(tt.packet), tt.files, time.Second); err != nil {
			t.Fatal(err)
		}
		if _, files, err := fd.ReceivePacket(make([]byte, 10)); !errors.Is(err, ErrPacket) || files != nil {
			t.Errorf("ReceivePacket of %q with %d files: %v, %v", tt.packet, len(tt.files), files, err)
		}
	}
	if err := unix.Sendmsg(int(fd), []byte("y"), unix.UnixRights(int(fd)), nil, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Receive(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("Receive = %d, %v", n, err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors are open, were %d", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := Cwd().Names("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestPacketsEnd(t *testing.T) {
	c, fd := packetPair(t)
	var err error
	for err == nil { // nobody reads: it gets full
		err = c.Send(make([]byte, 60000), nil, 10*time.Millisecond)
	}
	if err != ErrTimeout {
		t.Errorf("Send on a full socket: %v, want ErrTimeout", err)
	}
	if err := fd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(make([]byte, 1)); err == nil {
		t.Error("Receive from one that left with packets unread: no error")
	}
	if err := c.Send([]byte("x"), nil, time.Second); !IsBrokenPipe(err) {
		t.Errorf("Send after the end: %v", err)
	}
	c3, fd3 := packetPair(t)
	if err := fd3.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c3.Receive(make([]byte, 1)); err != io.EOF {
		t.Errorf("Receive after the end: %v, want io.EOF", err)
	}
	c2, fd2 := packetPair(t)
	if err := c2.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fd2.ReceivePacket(make([]byte, 1)); err != io.EOF {
		t.Errorf("ReceivePacket after the end: %v, want io.EOF", err)
	}
}
