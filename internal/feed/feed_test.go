package feed

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit/progtest"
)

// failing gives some bytes and then an error.
type failing struct{ left string }

var errRead = errors.New("no more")

func (f *failing) Read(p []byte) (int, error) {
	if f.left == "" {
		return 0, errRead
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

func TestRun(t *testing.T) {
	long := strings.Repeat("x", 300000)
	tests := []struct {
		name    string
		command []string
		in      string
		code    int
		stage   Stage
		out     string
	}{
		{"all", []string{"cat"}, "message", 0, 0, "first\nmessage"},
		{"no message", []string{"cat"}, "", 0, 0, "first\n"},
		{"more than a pipe holds", []string{"cat"}, long, 0, 0, "first\n" + long},
		{"reads nothing", []string{"sh", "-c", "exit 3"}, long, 3, 0, ""},
		{"reads some", []string{"head", "-c", "2"}, long, 0, 0, "fi"},
		{"environment", []string{"sh", "-c", `echo "$A"`}, "", 0, 0, "a\n"},
		{"exit code", []string{"sh", "-c", "exit 111"}, "m", 111, 0, ""},
		{"killed", []string{"sh", "-c", "kill -9 $$"}, "m", 0, Crash, ""},
		{"absent", []string{"/absent/x"}, "m", 0, Start, ""},
		{"unreadable", []string{"sh", "-c", "while read -r l; do :; done; echo the end"}, "!", 0, Input, ""},
	}
	for _, tt := range tests {
		r := progtest.Run(t, func(p *prog.Process) int {
			var in interface{ Read([]byte) (int, error) } = strings.NewReader(tt.in)
			if tt.in == "!" {
				in = &failing{"half a message"}
			}
			code, err := Run(p, tt.command, "first\n", in)
			var e *Error
			if errors.As(err, &e) != (err != nil) || tt.stage == 0 && err != nil || tt.stage != 0 && (e == nil || e.Stage != tt.stage) {
				t.Errorf("%s: error %v, want stage %d", tt.name, err, tt.stage)
			}
			return code
		}, progtest.Call{Args: []string{"x"}, Env: []string{"A=a", "PATH=/bin:/usr/bin"}})
		if r.Code != tt.code || r.Out != tt.out {
			t.Errorf("%s: %d, %.60q, want %d, %.60q", tt.name, r.Code, r.Out, tt.code, tt.out)
		}
	}
}

// What a process may lack: descriptors, and its children's status.
func TestRunWithout(t *testing.T) {
	p := &prog.Process{Args: []string{"x"}, Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"})}
	null, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	p.FDs = map[int]sys.FD{1: sys.FD(null.Fd()), 2: sys.FD(null.Fd())}

	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = Run(p, []string{"true"}, "", strings.NewReader("m"))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Stage != Pipe || e.Error() != "pipe: "+e.Err.Error() {
		t.Errorf("without descriptors: %v, want stage Pipe", err)
	}

	signal.Ignore(syscall.SIGCHLD)
	_, err = Run(p, []string{"true"}, "", strings.NewReader("m"))
	c := make(chan os.Signal, 1) // Reset would leave it ignored
	signal.Notify(c, syscall.SIGCHLD)
	signal.Stop(c)
	if !errors.As(err, &e) || e.Stage != Wait || !errors.Is(err, e.Err) {
		t.Errorf("without status: %v, want stage Wait", err)
	}
	if got := (&Error{Crash, nil}).Error(); got != "crashed" {
		t.Errorf("Error of a crash = %q", got)
	}
}
