package smtpd

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

// A keptServer is a qmail-smtpd in this process that serves several clients.
type keptServer struct {
	t    *testing.T
	conn *sys.PacketConn
	n    uint32
}

func newKeptServer(t *testing.T, h *testkit.Home) *keptServer {
	t.Helper()
	conn, theirs, err := sys.PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	name := pipe.WorkerName("qmail-smtpd", int(theirs))
	procs := runtime.GOMAXPROCS(0)
	ended := make(chan bool)
	go func() {
		p := &prog.Process{Args: []string{name}, Home: h.Dir, Now: func() time.Time { return time.Unix(now, 0) }}
		serve(p, worker.Offered(name, pipe.MarkSMTPD))
		close(ended)
	}()
	t.Cleanup(func() {
		_ = conn.CloseWrite()
		<-ended
		_, _ = conn.Close(), theirs.Close()
		runtime.GOMAXPROCS(procs)
	})
	s := &keptServer{t: t, conn: conn}
	buf := make([]byte, 100)
	if n, err := conn.Receive(buf); string(buf[:n]) != string(pipe.MarkSMTPD) || err != nil {
		t.Fatalf("hello %q, %v", buf[:n], err)
	}
	runtime.GOMAXPROCS(max(procs, 2)) // a server waits without regard to who else is in this process
	return s
}

// talk is one client: what it hears, and the exit code.
func (s *keptServer) talk(in string, env ...string) (out string, code int) {
	s.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	ours, theirs := sys.FD(pair[0]), sys.FD(pair[1])
	s.n++
	packet, _ := pipe.Job{Number: s.n, Args: append(env, "PATH=/bin:/usr/bin")}.Append(nil)
	if err := s.conn.Send(packet, []sys.FD{theirs}, time.Second); err != nil {
		s.t.Fatal(err)
	}
	_ = theirs.Close()
	if _, err := ours.WriteString(in); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.Shutdown(int(ours), unix.SHUT_WR); err != nil {
		s.t.Fatal(err)
	}
	b, err := ours.ReadAll(1 << 20)
	_ = ours.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := s.conn.Receive(buf)
	a, perr := pipe.ParseJobAnswer(buf[:n])
	if err != nil || perr != nil || a.Number != s.n {
		s.t.Fatalf("answer %+v, %v, %v", a, err, perr)
	}
	return string(b), int(a.Code)
}

// TestClients: nothing of one client is there for the next, whatever way the
// first session ended; and nothing of it is left.
func TestClients(t *testing.T) {
	const next = "DATA\r\nRCPT TO:<c@ok.example>\r\nMAIL FROM:<n@b>\r\nRCPT TO:<c@elsewhere>\r\nRCPT TO:<c@ok.example>\r\nDATA\r\nbody\r\n.\r\nQUIT\r\n"
	first := []string{"RELAYCLIENT=@relay", "DATABYTES=1", "TCPREMOTEIP=192.0.2.77", "TCPREMOTEHOST=first.example"}
	for _, in := range []string{
		"", "EHLO first\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nQUIT\r\n", "EHLO first\r\n" + envelope, "EHLO first\r\n" + envelope + "half a mess",
		"EHLO first\r\n" + envelope + "bare\nLF", "EHLO first\r\n" + envelope + "x\r\n.\r\nMAIL FROM:<a@b>\r\n", "EHLO first\r\n" + envelope + strings.Repeat("x", 60000),
		"half a comm", "EHLO first\r\n" + envelope + "x\r\n.\r\n" + envelope,
	} {
		h := usualHome(t)
		testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), "0")
		s := newKeptServer(t, h)
		_, _ = s.talk(in, first...)
		files := openFiles(t)
		out, code := s.talk(next, "TCPREMOTEIP=192.0.2.1", "TCPREMOTEHOST=next.example")
		lines := strings.Split(out, "\r\n")
		want := []string{"220 mx.example ESMTP", "503 MAIL first (#5.5.1)", "503 MAIL first (#5.5.1)", "250 ok", "553 ", "250 ok", "354 go ahead", "250 ok ", "221 mx.example", ""}
		for i, w := range want {
			if i >= len(lines) || !strings.HasPrefix(lines[i], w) {
				t.Errorf("after %.60q: answers %q, want %q", in, lines, want)
				break
			}
		}
		message, _ := h.Read("got/0")
		env, _ := h.Read("got/1")
		if !strings.HasPrefix(message, "Received: from next.example (192.0.2.1)\n") || !strings.HasSuffix(message, "\nbody\n") || strings.Contains(message, "first") {
			t.Errorf("after %.60q: message %q", in, message)
		}
		if env != "Fn@b\x00Tc@ok.example\x00\x00" || code != exitQuit {
			t.Errorf("after %.60q: envelope %q, exit %d", in, env, code)
		}
		if n := openFiles(t); n != files {
			t.Errorf("after %.60q: %d descriptors, %d before", in, n, files)
		}
		if children := children(t); children != "" {
			t.Errorf("after %.60q: processes %s", in, children)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// children lists the processes that were started here and not waited for.
func children(t *testing.T) string {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, task := range list {
		b, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		all += string(b)
	}
	return strings.TrimSpace(all)
}

// TestControlsAnew: each client is served by the control files as they are then.
func TestControlsAnew(t *testing.T) {
	h := usualHome(t)
	h.Control("morercpthosts.cdb", string(make([]byte, 2048)))
	s := newKeptServer(t, h)
	_, _ = s.talk("QUIT\r\n")
	files := openFiles(t)
	if out, code := s.talk("QUIT\r\n"); !strings.HasPrefix(out, "220 mx.example") || code != exitQuit {
		t.Errorf("%q, exit %d", out, code)
	}
	if n := openFiles(t); n != files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
	h.Control("smtpgreeting", "other.example\n")
	h.Control("rcpthosts", "other.example\n")
	out, code := s.talk("MAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nRCPT TO:<c@other.example>\r\n")
	if lines := strings.Split(out, "\r\n"); len(lines) < 4 || !strings.HasPrefix(lines[0], "220 other.example") || lines[2][:3] != "553" || lines[3] != "250 ok" || code != exitElse {
		t.Errorf("%q, exit %d", out, code)
	}
}

// TestRenew: the memory of one client is empty for the next.
func TestRenew(t *testing.T) {
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{body: []byte("secret")}
	in := sys.Timed{FD: r}
	conn := k.renew(in, in)
	if string(k.body) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("body %q", k.body)
	}
	_, _ = w.WriteString("read and not used")
	if _, err := conn.Next(); err != nil {
		t.Fatal(err)
	}
	_, _ = w.WriteString("new\n")
	_, _ = w.Close(), conn.Put("put and not written")
	if line, _, err := k.renew(in, in).Line(); string(line) != "new" || err != nil {
		t.Errorf("the next client says %q, %v", line, err)
	}
	_ = r.Close()
}
