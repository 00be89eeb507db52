package tcpserver

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "qmail-smtpd") {
		os.Exit(fakeSMTPD())
	}
	testkit.Fakes{"tcpserver": func() int { return Run(prog.Self()) }}.Play()
	os.Exit(m.Run())
}

// startReal starts the real program; its port is on its standard output.
func startReal(t *testing.T, env []string, args ...string) (cmd *exec.Cmd, at string, log *lines) {
	t.Helper()
	log = newLines(t)
	fd, err := log.w.Dup(3)
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.NewFile(uintptr(fd), "stderr")
	defer stderr.Close()
	cmd = exec.Command(testkit.Fake(t, t.TempDir()+"/tcpserver", "tcpserver"), append([]string{"-1"}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	port, err := io.ReadAll(out) // it is closed once the port is told
	if err != nil || len(port) == 0 {
		t.Fatalf("no port: %q, %v; log: %s", port, err, log.text())
	}
	return cmd, net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port))), log
}

// talk sends a text and gives what comes until the end.
func talk(t *testing.T, at, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRealProgram(t *testing.T) {
	cmd, at, log := startReal(t, []string{"TCPREMOTEINFO=stale"}, "-vHRl0", "127.0.0.1", "0", "sh", "-c",
		`cat; echo "$PROTO $TCPLOCALIP $TCPLOCALHOST $TCPREMOTEIP ${TCPREMOTEINFO-unset}"; ls /proc/self/fd | tr '\n' ' '; exit 7`)
	if got, want := talk(t, at, "hello\n"), "hello\nTCP 127.0.0.1 0 127.0.0.1 unset\n0 1 2 3 "; got != want {
		t.Errorf("the client got %q, want %q", got, want)
	}
	until(t, "the end", func() bool { return strings.HasSuffix(log.text(), "status 1792\ntcpserver: status: 0/40\n") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// After SIGTERM the programs go on.
func TestRealTerm(t *testing.T) {
	cmd, at, _ := startReal(t, nil, "-HRl0", "127.0.0.1", "0", "sh", "-c", "echo ready; read x; echo $x")
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 20)
	if n, err := io.ReadFull(c, buf[:6]); err != nil {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if _, err := io.WriteString(c, "still here\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "still here\n" || err != nil {
		t.Errorf("the program said %q, %v", b, err)
	}
}

func TestRealErrors(t *testing.T) {
	tests := []struct {
		args []string
		want string
		code int
	}{
		{[]string{"-z"}, "tcpserver: illegal option -- z\ntcpserver: usage: " + usage + "\n", 100},
		{nil, "tcpserver: usage: " + usage + "\n", 100},
		{[]string{"-U", "0", "0", "true"}, "tcpserver: fatal: -U needs numbers in $UID and $GID\n", 111},
		{[]string{"127.0.0.1", "noservice", "true"}, "tcpserver: fatal: unable to figure out port number for noservice\n", 111},
		{[]string{"-q", "127.0.0.1", "noservice", "true"}, "", 111},
		{[]string{"192.0.2.1", "0", "true"}, "tcpserver: fatal: unable to bind: address not available\n", 111},
	}
	for _, tt := range tests {
		cmd := exec.Command(testkit.Fake(t, t.TempDir()+"/tcpserver", "tcpserver"), tt.args...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "GOCOVERDIR=" + t.TempDir()} // for go test -cover
		out, _ := cmd.CombinedOutput()
		if string(out) != tt.want || cmd.ProcessState.ExitCode() != tt.code {
			t.Errorf("%v: exit %d, %q, want %d, %q", tt.args, cmd.ProcessState.ExitCode(), out, tt.code, tt.want)
		}
	}
}

// As root: the port is bound before the user changes.
func TestRealUser(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		tests := []struct {
			env  []string
			args []string
			want string
		}{
			{nil, []string{"-u", "5001", "-g", "5002"}, "5001 5002 5002\n"},
			{[]string{"UID=5003", "GID=5004"}, []string{"-U"}, "5003 5004 5004\n"},
			{nil, nil, "0 0 0\n"},
		}
		for i, tt := range tests {
			port := fmt.Sprint(600 + i)
			args := append(append([]string{"-HRl0"}, tt.args...), "127.0.0.1", port, "sh", "-c", "echo `id -u` `id -g` `id -G`")
			cmd, at, _ := startReal(t, tt.env, args...)
			if !strings.HasSuffix(at, ":"+port) {
				t.Errorf("listens at %s", at)
			}
			if got := talk(t, at, ""); got != tt.want {
				t.Errorf("%v: the program is %q, want %q", tt.args, got, tt.want)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	})
}
