package ucspitools

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

func TestMain(m *testing.M) {
	// The copiers are this binary too, started by the names that tell them apart.
	switch os.Args[0] {
	case recordioCopier:
		os.Exit(Recordio(prog.Self()))
	case fixcrioCopier:
		os.Exit(Fixcrio(prog.Self()))
	}
	testkit.Fakes{
		"recordio": func() int { return Recordio(prog.Self()) },
		"fixcrio":  func() int { return Fixcrio(prog.Self()) },
		"argv0":    func() int { return Argv0(prog.Self()) },
	}.Play()
	os.Exit(m.Run())
}

// run runs a program of this package and returns what it wrote and how it ended;
// its own process number in the record is PID.
func run(t *testing.T, name, in string, args ...string) (out, record string, st *os.ProcessState) {
	t.Helper()
	cmd := exec.Command(testkit.Fake(t, t.TempDir()+"/"+name, name), args...)
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if ee := new(exec.ExitError); err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return o.String(), regexp.MustCompile(`(?m)^\d+ ([<>] )`).ReplaceAllString(e.String(), "PID $1"), cmd.ProcessState
}

// Without arguments, and what cannot be run. Texts recorded from Debian's
// ucspi-tcp-ipv6 0.88-7.
func TestRefusals(t *testing.T) {
	tests := []struct {
		f    func(*prog.Process) int
		args []string
		code int
		err  string
	}{
		{Recordio, []string{"recordio"}, 100, "recordio: usage: recordio program [ arg ... ]\n"},
		{Fixcrio, []string{"fixcrio"}, 100, "fixcrio: usage: fixcrio program [ arg ... ]\n"},
		{Argv0, []string{"argv0"}, 100, "argv0: usage: argv0 realname program [ arg ... ]\n"},
		{Argv0, []string{"argv0", "sh"}, 100, "argv0: usage: argv0 realname program [ arg ... ]\n"},
		{Argv0, []string{"argv0", "no such", "x"}, 111, "argv0: fatal: unable to run no such: file does not exist\n"},
		{Argv0, []string{"argv0", "", "x"}, 111, "argv0: fatal: unable to run : access denied\n"},
		{Argv0, []string{"argv0", "/", "x"}, 111, "argv0: fatal: unable to run /: access denied\n"},
		{Argv0, []string{"argv0", "-x", "sh", "x"}, 111, "argv0: fatal: unable to run -x: file does not exist\n"},
	}
	for _, tt := range tests {
		r := progtest.Run(t, tt.f, progtest.Call{Args: tt.args, Env: []string{"PATH=/bin:/usr/bin"}})
		if r.Code != tt.code || r.Err != tt.err || r.Out != "" {
			t.Errorf("%q = %d, %q, %q, want %d, %q", tt.args, r.Code, r.Out, r.Err, tt.code, tt.err)
		}
	}
}

func TestArgv0(t *testing.T) {
	out, _, st := run(t, "argv0", "", "sh", "-zero", "-c", `tr '\0' ' ' </proc/$$/cmdline; exit 7`)
	if want := `-zero -c tr '\0' ' ' </proc/$$/cmdline; exit 7 `; out != want || st.ExitCode() != 7 {
		t.Errorf("argv0: %q, exit %d, want %q, 7", out, st.ExitCode(), want)
	}
}

func TestRecordio(t *testing.T) {
	x := strings.Repeat("x", pieceSize)
	tests := []struct {
		name, in string
		args     []string
		out, err string // of the record the lines of input come first, then the others
		code     int
	}{
		{"copy", "ab\ncd", []string{"cat"}, "ab\ncd", "PID < ab \nPID < cd+\nPID < [EOF]\nPID > ab \nPID > cd+\nPID > [EOF]\n", 0},
		{"no input", "", []string{"cat"}, "", "PID < [EOF]\nPID > [EOF]\n", 0},
		{"any byte", "a\rb\x00\xff\x1b%\n\n", []string{"cat"}, "a\rb\x00\xff\x1b%\n\n",
			"PID < a\rb\x00\xff\x1b% \nPID <  \nPID < [EOF]\nPID > a\rb\x00\xff\x1b% \nPID >  \nPID > [EOF]\n", 0},
		{"long line", x + "y\n", []string{"sh", "-c", "cat >/dev/null"}, "", "PID < " + x + "+\nPID < y \nPID < [EOF]\nPID > [EOF]\n", 0},
		{"exit code", "ab\n", []string{"sh", "-c", "exit 7"}, "", "PID < ab \nPID < [EOF]\nPID > [EOF]\n", 7},
		{"absent", "", []string{"./no such"}, "", "PID < [EOF]\nrecordio: fatal: unable to run ./no such: file does not exist\nPID > [EOF]\n", 111},
		{"input is closed", "ab\n", []string{"sh", "-c", "exec <&-; echo x; exit 5"}, "x\n", "PID < ab \nPID < [EOF]\nPID > x \nPID > [EOF]\n", 5},
		{"output is closed", "ab\n", []string{"sh", "-c", "exec >&-; test \"$(cat)\" = ab"}, "", "PID < ab \nPID < [EOF]\nPID > [EOF]\n", 0},
	}
	for _, tt := range tests {
		out, record, st := run(t, "recordio", tt.in, tt.args...)
		var in, rest string
		for line := range strings.Lines(record) {
			if strings.HasPrefix(line, "PID < ") {
				in += line
			} else {
				rest += line
			}
		}
		if out != tt.out || in+rest != tt.err || st.ExitCode() != tt.code {
			t.Errorf("%s: %q, %q, exit %d\nwant %q, %q, %d", tt.name, out, in+rest, st.ExitCode(), tt.out, tt.err, tt.code)
		}
	}
}

// The program is the process that was started: it has its number, and a signal
// that ends it is what its parent sees. Other descriptors are its own.
func TestIdentity(t *testing.T) {
	cmd := exec.Command(testkit.Fake(t, t.TempDir()+"/recordio", "recordio"), "sh", "-c", "echo $$ >&3; kill -9 $$")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var record bytes.Buffer
	cmd.ExtraFiles, cmd.Stderr = []*os.File{w}, &record
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the child has it
	said := make([]byte, 100)
	n, _ := r.Read(said)
	_ = cmd.Wait() // it is killed
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("it ended by %v", ws)
	}
	pid := strings.TrimSpace(string(said[:n]))
	if want := pid + " < [EOF]\n" + pid + " > [EOF]\n"; record.String() != want {
		t.Errorf("the record is %q, want %q", record.String(), want)
	}
}

func TestFixcrio(t *testing.T) {
	tests := []struct {
		in   string
		args []string
		out  string
		code int
	}{
		{"a\nb\r\nc\r\r\nd\re", []string{"cat"}, "a\r\nb\r\nc\r\r\nd\re", 0},
		{"", []string{"printf", `a\nb\r\nc\r`}, "a\r\nb\r\nc\r", 0},
		{"a\n", []string{"sh", "-c", `test "$(tr '\r' X)" = aX; exit $((7+$?))`}, "", 7},
		{strings.Repeat("\n", 5000), []string{"wc", "-c"}, "10000\r\n", 0},
	}
	for _, tt := range tests {
		out, err, st := run(t, "fixcrio", tt.in, tt.args...)
		if out != tt.out || err != "" || st.ExitCode() != tt.code {
			t.Errorf("fixcrio %q: %q, %q, exit %d, want %q, %d", tt.args, out, err, st.ExitCode(), tt.out, tt.code)
		}
	}
}

// A program whose output nobody takes is told, as it is without recordio.
func TestNobodyListens(t *testing.T) {
	cmd := exec.Command(testkit.Fake(t, t.TempDir()+"/fixcrio", "fixcrio"), "yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	_ = out.Close() // that is the test
	_ = cmd.Wait()  // it is killed
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGPIPE {
		t.Errorf("yes ended by %v, want SIGPIPE", ws)
	}
}
