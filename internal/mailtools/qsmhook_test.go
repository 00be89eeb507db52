package mailtools

import (
	"os"
	"strings"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

func TestQsmhook(t *testing.T) {
	env := []string{"UFLINE=U\n", "RPLINE=R\n", "DTLINE=D\n", "LOCAL=Sub-joe", "HOST=h.x", "SENDER=s@x", "PATH=/bin:/usr/bin"}
	long := strings.Repeat("y", 300000)
	const usage = "qsmhook: fatal: incorrect usage\n"
	show := []string{"sh", "-c", `printf '%%s,' "$@"`, "x"}
	tests := []struct {
		args []string
		in   string
		want result
	}{
		{[]string{"cat"}, "m", result{0, "U\nm", ""}},
		{[]string{"-P", "-l", "cat"}, "m", result{0, "U\nR\nD\nm", ""}},
		{[]string{"-nPl", "cat"}, "m", result{0, "R\nD\nm", ""}},
		{[]string{"-DFMmsn", "--", "cat"}, long, result{0, long, ""}},
		{append(show, "%u@%h", "-f%g", "100%%", "%z", "a%", "%", "%%u"), "", result{0, "Sub-joe@h.x,-fs@x,100%,,a,,%u,", ""}},
		{append([]string{"-xsub-"}, append(show, "%u")...), "", result{0, "joe,", ""}},
		{append([]string{"-x", "joe"}, append(show, "%u")...), "", result{0, "Sub-joe,", ""}},
		{[]string{"c%zat"}, "m", result{0, "U\nm", ""}},
		{[]string{"true"}, long, result{0, "", ""}},
		{[]string{"sh", "-c", "exit 77"}, "m", result{77, "", ""}},
		{[]string{"sh", "-c", "kill -9 $$"}, "m", result{111, "", "qsmhook: fatal: temporary problem\n"}},
		{[]string{"/absent/x"}, "m", result{100, "", "qsmhook: fatal: command not found\n"}},
		{[]string{"-z", "cat"}, "m", result{100, "", "qsmhook: illegal option -- z\n"}},
		{[]string{"-x"}, "m", result{100, "", "qsmhook: option requires an argument -- x\n"}},
		{nil, "m", result{100, "", usage}},
	}
	for _, tt := range tests {
		got := call(t, Qsmhook, "", tt.in, env, append([]string{"qsmhook"}, tt.args...)...)
		if got != tt.want {
			t.Errorf("qsmhook %q = %d, %.80q, %q, want %d, %.80q, %q", tt.args, got.Code, got.Out, got.Err, tt.want.Code, tt.want.Out, tt.want.Err)
		}
	}
	for i := range 6 { // each variable must be there
		part := append(append([]string(nil), env[:i]...), env[i+1:]...)
		if got := call(t, Qsmhook, "", "m", part, "qsmhook", "cat"); got != (result{100, "", usage}) {
			t.Errorf("qsmhook without %q = %+v", env[i], got)
		}
	}
}

func TestQsmhookUnreadable(t *testing.T) {
	env := []string{"UFLINE=U\n", "RPLINE=R\n", "DTLINE=D\n", "LOCAL=joe", "HOST=h.x", "SENDER=s@x", "PATH=/bin:/usr/bin"}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closed.Close() }()
	for _, f := range []*os.File{dir, closed} {
		got := call(t, func(p *prog.Process) int {
			p.FDs[0] = sys.FD(f.Fd())
			return Qsmhook(p)
		}, "", "", env, "qsmhook", "sh", "-c", "while read -r l; do :; done; echo the end")
		if want := (result{111, "", "qsmhook: fatal: unable to read message\n"}); got != want {
			t.Errorf("qsmhook of %s = %+v, want %+v", f.Name(), got, want)
		}
	}
}
