package popup

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"goqmail/internal/commands"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

const stamp = "<7.1795201436@pop.example>"

// talk runs a session whose requests are all answered with answer.
func talk(in io.Reader, out io.Writer, answer string) (requests []string, err error) {
	s := &session{conn: commands.NewConn(slowReader{in}, out), stamp: stamp, check: func(request []byte) string {
		requests = append(requests, string(request))
		return answer
	}}
	return requests, s.serve()
}

func TestSession(t *testing.T) {
	const ok, first = answerOK, answerAuthFirst
	tests := []struct{ name, in, want, request string }{
		{"end of input", "", "", ""},
		{"password", "USER joe\r\nPASS a b \r\nNOOP\r\n", ok, "joe\x00a b \x00"},
		{"case, LF", "user joe\npass x\n", ok, "joe\x00x\x00"},
		{"last USER counts", "USER a\nUSER b c\nNOOP\nPASS x\n", ok + ok + ok, "b c\x00x\x00"},
		{"nothing", "USER\nUSER a\nPASS\nPASS  \n", answerSyntax + ok + answerSyntax + answerSyntax, ""},
		{"PASS first", "PASS x\n", answerUserFirst, ""},
		{"APOP", "APOP  joe 0123abcd\n", "", "joe\x000123abcd\x00"},
		{"APOP with blanks", "apop joe x y\n", "", "joe\x00x y\x00"},
		{"APOP without digest", "APOP\nAPOP joe\n", answerSyntax + answerSyntax, ""},
		{"others", "STAT\nCAPA\n\n USER a\nQUIT x\nNOOP\n", first + first + first + first + ok, ""},
		{"NUL", "USER a\x00b\nPASS c\x00d\n", ok, "a\x00c\x00"},
	}
	for _, tt := range tests {
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			var out strings.Builder
			requests, err := talk(in, &out, "")
			if got, want := out.String(), "+OK "+stamp+"\r\n"+tt.want; got != want || err == nil {
				t.Errorf("%s: %q, %v, want %q", tt.name, got, err, want)
			}
			want := ""
			if tt.request != "" {
				want = tt.request + stamp + "\x00"
			}
			if got := strings.Join(requests, "|"); got != want {
				t.Errorf("%s: requests %q, want %q", tt.name, got, want)
			}
		}
	}
}

// A name or password whose end was dropped is none.
func TestLongLine(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	in := "USER " + long + "\nUSER a\nPASS " + long + "\nAPOP a " + long + "\n"
	var out strings.Builder
	requests, _ := talk(strings.NewReader(in), &out, "")
	if want := "+OK " + stamp + "\r\n" + answerSyntax + answerOK + answerSyntax + answerSyntax; out.String() != want || requests != nil {
		t.Errorf("%q, %d requests, want %q", out.String(), len(requests), want)
	}
}

// A client that is silent, or does not take answers, is told nothing.
func TestEnds(t *testing.T) {
	var out strings.Builder
	_, err := talk(iotest.ErrReader(sys.ErrTimeout), &out, "")
	if out.String() != "+OK "+stamp+"\r\n" || !sys.IsTimeout(err) {
		t.Errorf("silence: %q, %v", out.String(), err)
	}
	var w *commands.WriteError
	if _, err := talk(strings.NewReader("QUIT\n"), testkit.BrokenPipe(t), ""); !errors.As(err, &w) {
		t.Errorf("answers not taken: %v", err)
	}
}

// TestChild runs whole sessions with real subprograms.
func TestChild(t *testing.T) {
	dir := t.TempDir()
	script := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cat := script("cat", `tr '\0' , <&3; echo; echo "$1"; echo err >&2`)
	if err := os.WriteFile(dir+"/plain", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const login = "USER joe\r\nPASS secret\r\n"
	long := "USER joe\nPASS " + strings.Repeat("x", 200<<10) + "\n" // more than a pipe holds
	tests := []struct {
		name, in string
		argv     []string
		want     string // after the answer to USER
		err      string
	}{
		{"request", login, []string{cat, "arg"}, "joe,secret,<STAMP>,\narg\n", "err\n"},
		{"by PATH", login, []string{"cat", "arg"}, "joe,secret,<STAMP>,\narg\n", "err\n"},
		{"nothing read", login, []string{script("true", "exit 0")}, "", ""},
		{"long, nothing read", long, []string{dir + "/true"}, "", ""},
		{"long, refused", long, []string{script("no", "exit 1")}, answerRefused, ""},
		{"refused", login, []string{dir + "/no"}, answerRefused, ""},
		{"trouble", login, []string{script("trouble", "exit 111")}, answerRefused, ""},
		{"crash", login, []string{script("crash", "kill -9 $$")}, answerCrashed, ""},
		{"absent", login, []string{"absent"}, answerRefused, ""},
		{"absent path", login, []string{dir + "/absent"}, answerRefused, ""},
		{"not executable", login, []string{dir + "/plain"}, answerRefused, ""},
		{"busy", login, []string{testBusy(t, dir+"/busy")}, answerNoFork, ""},
	}
	form := regexp.MustCompile(`<[0-9]+\.1795201436@pop\.example>`)
	for _, tt := range tests {
		r := progtest.Run(t, Run, progtest.Call{
			Args: append([]string{"qmail-popup", "pop.example"}, tt.argv...), Stdin: tt.in,
			Env: []string{"PATH=" + dir + ":/bin:/usr/bin"}, Now: 1795201436,
		})
		want := "+OK <STAMP>\r\n" + answerOK + tt.want
		if got := form.ReplaceAllString(r.Out, "<STAMP>"); got != want || r.Err != tt.err || r.Code != exitAlways {
			t.Errorf("%s: exit %d, %q, %q, want %q, %q", tt.name, r.Code, got, r.Err, want, tt.err)
		}
	}
}

// testBusy makes a program that is open for writing: executing it fails for now.
func testBusy(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestScarce: no descriptor is left, or none but for the pipe.
func TestScarce(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	r, w, err := sys.Pipe() // the numbers that check will get
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Close(), w.Close()
	p := &prog.Process{Args: []string{"qmail-popup", "h", "/bin/true"}, Env: prog.NewEnv(nil)}
	for limit, want := range map[uint64]string{3: answerNoPipe, uint64(max(r, w)) + 1: answerNoFork} {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		got := check(p, []byte("a\x00b\x00c\x00"))
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("with %d descriptors: %q, want %q", limit, got, want)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"qmail-popup"}, {"qmail-popup", "h"}} {
		if r := progtest.Run(t, Run, progtest.Call{Args: args}); r.Out != answerUsage || r.Code != exitAlways {
			t.Errorf("%q: exit %d, %q", args, r.Code, r.Out)
		}
	}
}

// FuzzSession: whatever a client sends, every answer is a line, and every request
// has three fields.
func FuzzSession(f *testing.F) {
	for _, s := range []string{"USER a\nPASS b\n", "APOP a b c\n", "USER\nNOOP\nSTAT\r\nQUIT\n", "\x00\n \n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out strings.Builder
		requests, err := talk(strings.NewReader(string(in)), &out, answerRefused)
		if err == nil || !strings.HasSuffix(out.String(), "\r\n") {
			t.Errorf("%q: %q, %v", in, out.String(), err)
		}
		for _, r := range requests {
			if strings.Count(r, "\x00") != 3 || !strings.HasSuffix(r, "\x00"+stamp+"\x00") {
				t.Errorf("%q: request %q", in, r)
			}
		}
	})
}
