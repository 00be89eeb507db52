package mailtools

import (
	"os"
	"strings"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// at runs a program at a moment: 20 November 2026, 19:03:56 UTC.
func at(run func(*prog.Process) int) func(*prog.Process) int {
	return func(p *prog.Process) int {
		p.Now = func() time.Time { return time.Unix(1795201436, 0) }
		return run(p)
	}
}

func TestPredate(t *testing.T) {
	const date = "Date: 20 Nov 2026 19:03:56 +0000\n"
	long := strings.Repeat("x", 300000)
	tests := []struct {
		tz   string
		args []string
		in   string
		want result
	}{
		{"", []string{"cat"}, "m", result{0, date + "m", ""}},
		{"", []string{"cat", "-"}, long, result{0, date + long, ""}},
		{"", []string{"cat"}, "", result{0, date, ""}},
		{"XXX-5:30", []string{"cat"}, "m", result{0, "Date: 21 Nov 2026 00:33:56 +0530\nm", ""}},
		{"YYY11:15", []string{"cat"}, "m", result{0, "Date: 20 Nov 2026 07:48:56 -1115\nm", ""}},
		{"", []string{"sh", "-c", `echo "$*"; echo e >&2; exit 7`, "x", "a", "b c"}, "m", result{7, "a b c\n", "e\n"}},
		{"", []string{"true"}, long, result{0, "", ""}}, // it may stop reading
		{"", []string{"sh", "-c", "kill -9 $$"}, "m", result{111, "", "predate: fatal: child crashed\n"}},
		{"", []string{"/absent/x"}, "m", result{111, "", "predate: fatal: unable to run /absent/x: file does not exist\n"}},
		{"", nil, "m", result{100, "", "predate: usage: predate child\n"}},
	}
	for _, tt := range tests {
		got := call(t, at(Predate), "", tt.in, []string{"TZ=" + tt.tz, "PATH=/bin:/usr/bin"}, append([]string{"predate"}, tt.args...)...)
		if got != tt.want {
			t.Errorf("TZ=%s predate %q = %d, %.80q, %q, want %d, %.80q, %q", tt.tz, tt.args,
				got.Code, got.Out, got.Err, tt.want.Code, tt.want.Out, tt.want.Err)
		}
	}
}

// A command whose input breaks off does not see an end that is none.
func TestPredateUnreadable(t *testing.T) {
	got := call(t, at(ofDirectory(t, Predate)), "", "", nil, "predate", "sh", "-c", "while read -r l; do :; done; echo the end")
	if want := (result{111, "", "predate: fatal: unable to copy input: is a directory\n"}); got != want {
		t.Errorf("predate of a directory = %+v, want %+v", got, want)
	}
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closed.Close() }()
	got = call(t, at(func(p *prog.Process) int {
		p.FDs[0] = sys.FD(closed.Fd())
		return Predate(p)
	}), "", "", nil, "predate", "cat")
	if want := (result{111, "", "predate: fatal: unable to copy input: file descriptor not open\n"}); got != want {
		t.Errorf("predate without descriptor 0 = %+v, want %+v", got, want)
	}
}

func TestDatemail(t *testing.T) {
	h := testkit.NewHome(t)
	testkit.Recorder(t, h.Path("bin/sendmail"), h.Path("got"), "100")
	got := call(t, at(Datemail), h.Dir, "A: b\n\nc", []string{"TZ=EST5", "PATH=/bin:/usr/bin"}, "datemail", "-t", "x y")
	if want := (result{100, "", ""}); got != want {
		t.Errorf("datemail = %+v, want %+v", got, want)
	}
	for name, want := range map[string]string{
		"got/args": "-t\nx y\n",
		"got/0":    "Date: 20 Nov 2026 14:03:56 -0500\nA: b\n\nc",
	} {
		if s, _ := h.Read(name); s != want {
			t.Errorf("%s = %q, want %q", name, s, want)
		}
	}
}
