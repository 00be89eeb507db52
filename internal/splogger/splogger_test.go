package splogger

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	if err := testkit.Enter(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// listen is a system's logger at path.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// received is what has been sent to c. Unix datagrams arrive at once.
func received(t *testing.T, c *net.UnixConn) []string {
	t.Helper()
	var all []string
	buf := make([]byte, 4096)
	// The last message, sent from here, tells where to stop.
	end, err := net.Dial("unixgram", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = end.Close() }()
	if _, err := end.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if string(buf[:n]) == "end" {
			return all
		}
		all = append(all, string(buf[:n]))
	}
}

// clock gives a new microsecond each time, from 20 November 2026 19:25:56 in a
// zone five and a half hours east, on.
func clock() func() time.Time {
	n := int64(0)
	return func() time.Time {
		n++
		return time.Unix(1795182956, n*1000+999)
	}
}

// east is that zone; it is asked once for each quarter of an hour.
func east(int64) int { return 19800 }

func TestFacility(t *testing.T) {
	// What glibc 2.36's openlog and syslog made of the numbers.
	for in, want := range map[string]int{"0": 0, "3": 3, "23x": 23, "127": 127, "128": 1, "200": 1, "99999999999999999999999": 1, "": 0, "x": 0} {
		if got := facility(in); got != want {
			t.Errorf("facility(%q) = %d, want %d", in, got, want)
		}
	}
}

func TestLocal(t *testing.T) {
	asked := 0
	l := &logger{zone: func(t int64) int {
		asked++
		if t < 1792890000 { // 25 October 2026 01:00 UTC
			return 7200
		}
		return 3600
	}}
	for _, tt := range []struct {
		at   int64
		want string
	}{{1792889999, "Oct 25 02:59:59"}, {1792889998, "Oct 25 02:59:58"}, {1792890000, "Oct 25 02:00:00"}, {1792890899, "Oct 25 02:14:59"}} {
		if got := l.local(time.Unix(tt.at, 0)).Format(time.Stamp); got != tt.want {
			t.Errorf("local(%d) = %s, want %s", tt.at, got, tt.want)
		}
	}
	if asked != 2 {
		t.Errorf("the zone was asked %d times, want 2", asked)
	}
}

func TestLines(t *testing.T) {
	const head = "Nov 20 19:25:56 qmail: 1795182956."
	x := strings.Repeat("x", 2000)
	tests := []struct {
		name, in string
		want     []string
	}{
		{"severities", "status: x\nwarning: y\nalert: z\nwarning\n", []string{
			"<22>" + head + "000001 status: x", "<20>" + head + "000002 warning: y", "<17>" + head + "000003 alert: z",
			"<22>" + head + "000004 warning"}},
		{"strange bytes", "ta\tb\x00c\x7f\xff\r\n", []string{"<22>" + head + "000001 ta?b?c???"}},
		{"empty lines", "\n\na\n\n", []string{"<22>" + head + "000001 a"}},
		{"last line without newline", "a\nb", []string{"<22>" + head + "000001 a"}},
		{"just one piece", x[:799] + "\n", []string{"<22>" + head + "000001 " + x[:799]}},
		{"pieces", "alert:" + x[:1694] + "\nwarning:\n", []string{"<17>" + head + "000001 alert:" + x[:793],
			"<17>" + head + "000001+" + x[:799], "<17>" + head + "000001+" + x[:102], "<20>" + head + "000004 warning:"}},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		for _, reader := range []string{"whole", "bytes"} {
			path := filepath.Join(t.TempDir(), "log")
			c := listen(t, path)
			l := &logger{tag: "qmail", facility: 2, now: clock(), zone: east, path: path}
			var err error
			if reader == "bytes" {
				err = l.copy(iotest.OneByteReader(strings.NewReader(tt.in)))
			} else {
				err = l.copy(strings.NewReader(tt.in))
			}
			if got := received(t, c); err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %s: %q, %v, want %q", tt.name, reader, got, err, tt.want)
			}
		}
	}
}

// The system's logger comes, goes, and comes again.
func TestReconnect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := &logger{tag: "t", facility: 3, now: clock(), zone: east, path: path}
	line := func(s string) {
		l.add([]byte(s))
		l.endLine()
	}
	line("lost")
	first := listen(t, path)
	line("one")
	if got := received(t, first); len(got) != 1 || !strings.HasSuffix(got[0], " one") || !strings.HasPrefix(got[0], "<30>") {
		t.Errorf("first logger got %q", got)
	}
	_ = first.Close()
	_ = os.Remove(path)
	line("lost")
	second := listen(t, path)
	line("two")
	line("three")
	if got := received(t, second); len(got) != 2 || !strings.HasSuffix(got[0], " two") || !strings.HasSuffix(got[1], " three") {
		t.Errorf("second logger got %q", got)
	}
}

// The program itself, as it was observed with C's (spec/logs.md section 3),
// and past a restart of the system's logger.
func TestDevLog(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan int)
		now := clock()
		go func() {
			done <- Run(&prog.Process{Args: []string{"splogger", "qmail", "3"}, Now: now, FDs: map[int]sys.FD{0: r},
				Env: prog.NewEnv([]string{"TZ=IST-5:30"})})
		}()
		buf := make([]byte, 4096)
		for i, want := range []string{"<30>Nov 20 19:25:56 qmail: 1795182956.000001 status: x", "<28>Nov 20 19:25:56 qmail: 1795182956.000002 warning: y"} {
			server := listen(t, devLog)
			if _, err := w.WriteString([]string{"status: x\n", "warning: y\n"}[i]); err != nil {
				t.Fatal(err)
			}
			if n, err := server.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("/dev/log got %q, %v, want %q", buf[:n], err, want)
			}
			_ = server.Close()
			_ = os.Remove(devLog)
		}
		_ = w.Close()
		if code := <-done; code != 0 {
			t.Errorf("exit %d", code)
		}
	})
}

func TestRun(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	out, err := os.Create(filepath.Join(t.TempDir(), "2"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	run := func(in *os.File) int {
		return Run(&prog.Process{Args: []string{"splogger", "tag", "3"}, Now: time.Now,
			FDs: map[int]sys.FD{0: sys.FD(in.Fd()), 2: sys.FD(out.Fd())}})
	}
	if code := run(null); code != 0 {
		t.Errorf("end of input: exit %d", code)
	}
	if code := run(dir); code != 111 {
		t.Errorf("unreadable input: exit %d, want 111", code)
	}
	said, err := os.ReadFile(out.Name())
	if want := "splogger: fatal: unable to read input: is a directory\n"; err != nil || string(said) != want {
		t.Errorf("said %q, %v, want %q", said, err, want)
	}
}
