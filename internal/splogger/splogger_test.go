package splogger

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
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

func TestLines(t *testing.T) {
	at := time.Unix(1795202756, 746548999)
	const stamp = "1795202756.746548"
	long := strings.Repeat("x", 1700)
	tests := []struct {
		in   string
		want []string
	}{
		{"status: x\n", []string{"6 " + stamp + " status: x"}},
		{"warning: y\nalert: z\n", []string{"4 " + stamp + " warning: y", "1 " + stamp + " alert: z"}},
		{"ta\tb\xffc\x7f\x00\n", []string{"6 " + stamp + " ta?b?c??"}},
		{" alert: z\n", []string{"6 " + stamp + "  alert: z"}},
		{"alert: " + long + "\n", []string{
			"1 " + stamp + " alert: " + long[:maxPiece-7], "1 " + stamp + "+" + long[:maxPiece], "1 " + stamp + "+" + long[:1700-2*maxPiece+7],
		}},
		{long[:maxPiece] + "\nnext\n", []string{"6 " + stamp + " " + long[:maxPiece], "6 " + stamp + " next"}},
		{"\n\nno end", nil},
	}
	for _, tt := range tests {
		var got []string
		l := logger{now: func() time.Time { return at }, send: func(now time.Time, priority int, text string) {
			got = append(got, fmt.Sprint(priority, " ", text))
		}}
		for i := 0; i < len(tt.in); i++ {
			l.push(tt.in[i])
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%.40q: got %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := stampText(time.Unix(5, 42000)); got != "5.000042" {
		t.Errorf("stampText = %q", got)
	}
}

// TestSyslog runs the program against a logger on /dev/log, as C's was observed
// (spec/logs.md section 3), and past a restart of it.
func TestSyslog(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		t.Setenv("TZ", "UTC0")
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 2, 19, 25, 56, 746548000, time.UTC)
		time.Local = time.UTC
		p := &prog.Process{Args: []string{"splogger", "qmail", "3"}, Now: func() time.Time { return at }, FDs: map[int]sys.FD{0: r}}
		done := make(chan int)
		server := listen(t)
		go func() { done <- Run(p) }()
		for i, line := range []string{"status: x", "warning: y"} {
			if _, err := w.WriteString(line + "\n"); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("<%d>Nov  2 19:25:56 qmail: %d.746548 %s", 3<<3|[]int{6, 4}[i], at.Unix(), line)
			if got := receive(t, server); got != want {
				t.Errorf("syslog got %q, want %q", got, want)
			}
			_ = server.Close() // a restart: the program connects again
			_ = os.Remove(device)
			server = listen(t)
		}
		_ = w.Close()
		if code := <-done; code != 0 {
			t.Errorf("exit %d", code)
		}
	})
}

func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: device, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}
