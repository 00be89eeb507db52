package qmqpc

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// A server is one in memory.
type server struct {
	refuse error // of connecting
	broken bool  // writing fails
	answer io.Reader
	got    strings.Builder
	closed bool
}

func (s *server) Read(p []byte) (int, error) { return s.answer.Read(p) }
func (s *server) Write(p []byte) (int, error) {
	if s.broken {
		return 0, sys.NewError("write", "", syscall.EPIPE)
	}
	return s.got.Write(p)
}
func (s *server) Close() error { s.closed = true; return nil }

// input is a pipe with text in it.
func input(t *testing.T, text string) sys.FD {
	t.Helper()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	return r
}

// send runs the program with servers that are known by address.
func send(t *testing.T, h *testkit.Home, message, envelope sys.FD, net map[string]*server) (code int, asked []string) {
	t.Helper()
	p := &prog.Process{Args: []string{"qmail-qmqpc"}, Home: h.Dir, FDs: map[int]sys.FD{0: message, 1: envelope}}
	code = run(p, func(to netip.AddrPort, limit time.Duration) (io.ReadWriteCloser, error) {
		asked = append(asked, to.String())
		s := net[to.Addr().String()]
		if s == nil {
			return nil, sys.NewError("connect", "", syscall.ECONNREFUSED)
		}
		if limit != connectLimit {
			t.Errorf("connect limit %v", limit)
		}
		if s.refuse != nil {
			return nil, s.refuse
		}
		return s, nil
	})
	return code, asked
}

const envelope = "Fs@t\x00Tu@x\x00Tv@y\x00\x00"

func TestServers(t *testing.T) {
	k := func() *server { return &server{answer: strings.NewReader("3:Kok,")} }
	for _, tt := range []struct {
		name, file string
		net        map[string]*server
		code       int
		asked      string
	}{
		{"first", "10.0.0.1\n10.0.0.2\n", map[string]*server{"10.0.0.1": k()}, 0, "10.0.0.1:628"},
		{"second", "10.0.0.1\n10.0.0.2\n", map[string]*server{"10.0.0.2": k()}, 0, "10.0.0.1:628 10.0.0.2:628"},
		{"none", "10.0.0.1\n", nil, queue.ExitConnRefuse, "10.0.0.1:628"},
		{"last timed out", "10.0.0.1\n10.0.0.2\n", map[string]*server{"10.0.0.2": {refuse: sys.ErrTimeout}}, queue.ExitConnTime, "10.0.0.1:628 10.0.0.2:628"},
		{"first timed out", "10.0.0.2\n10.0.0.1\n", map[string]*server{"10.0.0.2": {refuse: sys.ErrTimeout}}, queue.ExitConnRefuse, "10.0.0.2:628 10.0.0.1:628"},
		{"no socket", "10.0.0.1\n10.0.0.2\n", map[string]*server{"10.0.0.1": {refuse: sys.NewError("socket", "", syscall.EMFILE)}}, queue.ExitNetwork, "10.0.0.1:628"},
		{"broken, no other server", "10.0.0.1\n10.0.0.2\n", map[string]*server{"10.0.0.1": {broken: true}, "10.0.0.2": k()}, queue.ExitConnLost, "10.0.0.1:628"},
		{"no addresses", "name\n10.0.0\n::1\n10.0.0.1:628\n#\n", nil, queue.ExitConfig, ""},
		{"empty", "", nil, queue.ExitConfig, ""},
	} {
		h := testkit.NewHome(t)
		h.Control(serversFile, tt.file)
		code, asked := send(t, h, input(t, "hi\n"), input(t, envelope), tt.net)
		if code != tt.code || strings.Join(asked, " ") != tt.asked {
			t.Errorf("%s: exit %d, asked %q, want %d, %q", tt.name, code, asked, tt.code, tt.asked)
		}
		for _, s := range tt.net {
			if code == 0 && (s.got.String() != "24:3:hi\n,3:s@t,3:u@x,3:v@y,," || !s.closed) {
				t.Errorf("%s: sent %q, closed %v", tt.name, s.got.String(), s.closed)
			}
		}
	}
}

// One whole netstring is an answer, its first byte counts.
func TestAnswers(t *testing.T) {
	h := testkit.NewHome(t)
	h.Control(serversFile, "10.0.0.1\n")
	long := "1000:K" + strings.Repeat("x", 999) + ","
	for in, want := range map[string]int{
		"5:Kok 1,": 0, "1:K,": 0, "3:Zno,": queue.ExitServerTemp, "3:Dno,": queue.ExitRejected, long: 0,
		"": 74, "0:,": 74, "K": 74, "3:Xno,": 74, "3:Kno;": 74, "3:Kn": 74, "1234567:Z": 74, "x1:K,": 74, "9999999999:K": 74, "3:Kno": 74,
	} {
		s := &server{answer: iotest.OneByteReader(strings.NewReader(in))}
		if code, _ := send(t, h, input(t, "hi\n"), input(t, envelope), map[string]*server{"10.0.0.1": s}); code != want {
			t.Errorf("answer %.20q: exit %d, want %d", in, code, want)
		}
	}
	s := &server{answer: iotest.ErrReader(sys.ErrTimeout)}
	if code, _ := send(t, h, input(t, ""), input(t, envelope), map[string]*server{"10.0.0.1": s}); code != queue.ExitConnLost {
		t.Errorf("silence: exit %d", code)
	}
}

// What the caller gives may be wrong; nobody is asked then.
func TestInput(t *testing.T) {
	h := testkit.NewHome(t)
	h.Control(serversFile, "10.0.0.1\n")
	for in, want := range map[string]int{
		envelope: 73, "Fs\x00\x00": 73, envelope + "more": 73,
		"": 91, "F": 91, "Fs@t": 91, "Fs@t\x00": 91, "Fs@t\x00T": 91, "Fs@t\x00Tu\x00": 91, "Xs\x00\x00": 91, "Fs\x00Xu\x00\x00": 91, "\x00\x00": 91, "Ts\x00\x00": 91,
	} {
		code, asked := send(t, h, input(t, "hi\n"), input(t, in), nil)
		if code != want || (len(asked) > 0) != (want == 73) {
			t.Errorf("envelope %q: exit %d, want %d, asked %q", in, code, want, asked)
		}
	}
	dir, err := sys.OpenDir(h.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if code, _ := send(t, h, dir.FD(), input(t, envelope), nil); code != queue.ExitRead {
		t.Errorf("message unreadable: exit %d", code)
	}
	if code, _ := send(t, h, input(t, ""), dir.FD(), nil); code != queue.ExitRead {
		t.Errorf("envelope unreadable: exit %d", code)
	}
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0) // as the run-time leaves a closed one
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if code, _ := send(t, h, null, input(t, envelope), nil); code != queue.ExitRead {
		t.Errorf("message closed: exit %d", code)
	}
	if code, _ := send(t, h, input(t, ""), null, nil); code != queue.ExitRead {
		t.Errorf("envelope closed: exit %d", code)
	}
	if code := (&mail{}).readMessage(strings.NewReader(strings.Repeat("x", 3*chunkSize)), 2*chunkSize); code != queue.ExitMemory {
		t.Errorf("message too long: exit %d", code)
	}
	if code := (&mail{}).readEnvelope(io.MultiReader(strings.NewReader("Fx"), iotest.ErrReader(errors.New("read")))); code != queue.ExitRead {
		t.Errorf("envelope breaks: exit %d", code)
	}
}

func TestControls(t *testing.T) {
	h := testkit.NewHome(t)
	if code, _ := send(t, h, -1, -1, nil); code != queue.ExitConfig {
		t.Errorf("no %s: exit %d", serversFile, code)
	}
	testkit.Looping(t, h.Path("control/"+serversFile))
	if code, _ := send(t, h, -1, -1, nil); code != queue.ExitConfig {
		t.Errorf("%s unreadable: exit %d", serversFile, code)
	}
	if code := run(&prog.Process{Home: h.Path("missing")}, nil); code != queue.ExitHome {
		t.Errorf("no home: exit %d", code)
	}
}

// A large message goes out as it came in.
func TestLarge(t *testing.T) {
	want := strings.Repeat("0123456789abcde\n", 3*chunkSize/16+5)
	m := &mail{}
	if code := m.readMessage(iotest.HalfReader(strings.NewReader(want)), 1<<30); code != queue.ExitOK || m.size != uint64(len(want)) {
		t.Fatalf("exit %d, size %d", code, m.size)
	}
	var got strings.Builder
	if err := m.send(&got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.String(), ":"+want+",") {
		t.Error("the message changed")
	}
}
