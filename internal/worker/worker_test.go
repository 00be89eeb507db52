package worker

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// openFiles is how many descriptors this process has.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// pair is an offer and the other end of its conversation.
func pair(t testing.TB) (*sys.PacketConn, *Offer) {
	t.Helper()
	conn, theirs, err := sys.PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, &Offer{fd: theirs, mark: pipe.MarkQueue}
}

// hear takes the hello.
func hear(t testing.TB, conn *sys.PacketConn) {
	t.Helper()
	buf := make([]byte, 100)
	if n, err := conn.Receive(buf); string(buf[:n]) != string(pipe.MarkQueue) || err != nil {
		t.Fatalf("hello %q, %v", buf[:n], err)
	}
}

func job(n uint32, args ...string) string {
	b, _ := pipe.Job{Number: n, Args: args}.Append(nil)
	return string(b)
}

func TestOffered(t *testing.T) {
	conn, theirs, err := sys.PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Close(), theirs.Close() }()
	var stream [2]int
	if stream, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(stream[0]), unix.Close(stream[1]) }()
	null, err := sys.Cwd().Open("/dev/null", sys.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if _, err := unix.FcntlInt(uintptr(theirs), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		pipe.WorkerName("p", int(theirs)): true, pipe.WorkerName("p", stream[0]): false, pipe.WorkerName("p", int(null)): false,
		pipe.WorkerName("p", 1<<19): false, "p": false, "": false, " worker=2": false, " worker=03": false, "p worker=": false,
	} {
		if got := Offered(name, pipe.MarkQueue) != nil; got != want {
			t.Errorf("Offered(%q) = %v, want %v", name, got, want)
		}
	}
	if flags, err := unix.FcntlInt(uintptr(theirs), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("the socket is not close-on-exec: %x, %v", flags, err)
	}
}

// Serve's end, by what it is sent: each packet comes with so many files.
func TestServe(t *testing.T) {
	big := make([]byte, pipe.JobMax+1)
	tests := []struct {
		name   string
		packet string
		files  int
		want   error
		done   int // jobs
	}{
		{"end of file", "", -1, nil, 0},
		{"a job", job(1), 2, nil, 1},
		{"arguments", job(1, "a", "", "b"), 2, nil, 1},
		{"no files", job(1), 0, errJob, 0},
		{"one file", job(1), 1, errJob, 0},
		{"three files", job(1), 3, errJob, 0},
		{"eight files", job(1), 8, errJob, 0},
		{"nine files", job(1), 9, sys.ErrPacket, 0},
		{"200 files", job(1), 200, sys.ErrPacket, 0},
		{"short", "abc", 2, errJob, 0},
		{"argument without end", job(1) + "x", 2, errJob, 0},
		{"too long", string(big), 2, sys.ErrPacket, 0},
		{"last", job(1, "last"), 2, nil, 1},
	}
	null, err := sys.Cwd().Open("/dev/null", sys.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := openFiles(t)
			conn, o := pair(t)
			done := 0
			end := make(chan error, 1)
			go func() {
				end <- o.Serve(2, func(args []string, files []sys.FD) Result {
					done++
					return Result{Code: len(args), Text: "t", Last: len(args) == 1}
				})
			}()
			hear(t, conn)
			if tt.files >= 0 {
				files := make([]sys.FD, tt.files)
				for i := range files {
					files[i] = null
				}
				if err := conn.Send([]byte(tt.packet), files, time.Second); err != nil {
					t.Fatal(err)
				}
			}
			if tt.done > 0 {
				buf := make([]byte, 100)
				n, err := conn.Receive(buf)
				a, perr := pipe.ParseJobAnswer(buf[:n])
				if a.Number != 1 || a.Text != "t" || a.Retire != (tt.name == "last") || err != nil || perr != nil {
					t.Errorf("answer %+v, %v, %v", a, err, perr)
				}
			}
			_ = conn.CloseWrite()
			if err := <-end; !errors.Is(err, tt.want) || done != tt.done {
				t.Errorf("Serve: %v after %d jobs, want %v after %d", err, done, tt.want, tt.done)
			}
			_, _ = conn.Close(), o.fd.Close()
			if n := openFiles(t); n != before {
				t.Errorf("%d descriptors, %d before", n, before)
			}
		})
	}
}

// A starter that has gone is noticed at the hello or at an answer.
func TestNobodyListens(t *testing.T) {
	conn, o := pair(t)
	_ = conn.Close()
	if err := o.Serve(0, nil); err == nil {
		t.Error("a hello to nobody is no error")
	}
	o.ServeMany(0, nil)
	conn, o = pair(t)
	if err := conn.Send([]byte(job(1)), nil, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := o.Serve(0, func([]string, []sys.FD) Result {
		_ = conn.Close()
		return Result{}
	}); err == nil {
		t.Error("an answer to nobody is no error")
	}
}

// Jobs of ServeMany run at the same time, and it waits for the last.
func TestServeMany(t *testing.T) {
	conn, o := pair(t)
	const n = 20
	var all sync.WaitGroup
	all.Add(n)
	ended := make(chan bool)
	go func() {
		o.ServeMany(0, func(args []string, _ []sys.FD) Result {
			all.Done()
			all.Wait() // for ever if they come one by one
			return Result{Code: 3, Text: args[0]}
		})
		close(ended)
	}()
	hear(t, conn)
	for i := range uint32(n) {
		if err := conn.Send([]byte(job(i, "x")), nil, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.CloseWrite()
	seen := map[uint32]bool{}
	buf := make([]byte, 100)
	for range n {
		k, err := conn.Receive(buf)
		a, perr := pipe.ParseJobAnswer(buf[:k])
		if err != nil || perr != nil || a.Code != 3 || a.Text != "x" || seen[a.Number] {
			t.Errorf("answer %+v, %v, %v", a, err, perr)
		}
		seen[a.Number] = true
	}
	<-ended
}

// Whatever comes, no descriptor is left, and only what is a job is done.
func FuzzServe(f *testing.F) {
	for _, s := range []string{"", "abc", job(1), job(7, "a", "b"), job(1) + "x"} {
		f.Add([]byte(s), uint8(2))
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(9))
	}
	null, err := sys.Cwd().Open("/dev/null", sys.ReadOnly, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, packet []byte, count uint8) {
		if len(packet) == 0 || len(packet) > pipe.JobMax {
			return // the one is an end of file, the other has a row in TestServe
		}
		before := openFiles(t)
		conn, o := pair(t)
		done := 0
		end := make(chan error, 1)
		go func() {
			end <- o.Serve(2, func([]string, []sys.FD) Result { done++; return Result{} })
		}()
		hear(t, conn)
		files := make([]sys.FD, count%250)
		for i := range files {
			files[i] = null
		}
		if err := conn.Send(packet, files, time.Second); err != nil {
			t.Fatal(err)
		}
		_ = conn.CloseWrite()
		_, perr := pipe.ParseJob(packet)
		fits := perr == nil && count%250 == 2
		if err := <-end; (err == nil) != fits || (done == 1) != fits {
			t.Errorf("%q with %d files: %v, %d jobs", packet, count, err, done)
		}
		_, _ = conn.Close(), o.fd.Close()
		if n := openFiles(t); n != before {
			t.Errorf("%q with %d files: %d descriptors, %d before", packet, count, n, before)
		}
	})
}
