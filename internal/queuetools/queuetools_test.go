package queuetools

import (
	"os"
	"strings"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/tcpto"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

const now = 1_000_000_000

func call(t *testing.T, run func(*prog.Process) int, home string) progtest.Result {
	t.Helper()
	return progtest.Run(t, run, progtest.Call{Home: home, Args: []string{"x"}, Now: now})
}

func TestTcpto(t *testing.T) {
	h := testkit.NewHome(t)
	var b []byte
	for _, r := range []tcpto.Record{
		{IP: [4]byte{1, 2, 3, 4}, Count: 1, Time: now - 620}, {IP: [4]byte{5, 6, 7, 8}, Count: 0, Time: now - 1},
		{IP: [4]byte{255, 0, 255, 0}, Count: 127, Time: now}, {IP: [4]byte{10, 0, 0, 1}, Count: 200, Time: now - 90},
		{IP: [4]byte{10, 0, 0, 2}, Count: 10, Time: now + 1},
	} {
		b = r.Append(b)
	}
	h.Write("queue/lock/tcpto", string(b))
	want := "1.2.3.4 timed out 620 seconds ago; # recent timeouts: 1\n" +
		"255.0.255.0 timed out 0 seconds ago; # recent timeouts: 127\n" +
		"10.0.0.2 timed out 18446744073709551615 seconds ago; # recent timeouts: 10\n"
	if r := call(t, Tcpto, h.Dir); r != (progtest.Result{Out: want}) {
		t.Errorf("%+v, want %q", r, want)
	}
	if r := call(t, Tcpok, h.Dir); r != (progtest.Result{}) {
		t.Errorf("%+v", r)
	}
	if got, _ := h.Read("queue/lock/tcpto"); got != strings.Repeat("\x00", tcpto.FileSize) {
		t.Errorf("after qmail-tcpok the file has %d bytes, not %d zeros", len(got), tcpto.FileSize)
	}
	if r := call(t, Tcpto, h.Dir); r != (progtest.Result{}) {
		t.Errorf("%+v", r)
	}
}

func TestTcptoFailures(t *testing.T) {
	tests := []struct {
		name       string
		spoil      func(h *testkit.Home)
		tcpto, tok string // H stands for the home
	}{
		{"home", func(h *testkit.Home) { testkit.Must(t, os.RemoveAll(h.Dir)) },
			"chdir: file does not exist", "chdir to H: file does not exist"},
		{"lock", func(h *testkit.Home) { testkit.Must(t, os.RemoveAll(h.Path("queue/lock"))) },
			"open tcpto: file does not exist", "chdir to H/queue/lock: file does not exist"},
		{"queue", func(h *testkit.Home) { testkit.Must(t, os.RemoveAll(h.Queue())) },
			"chdir: file does not exist", "chdir to H/queue/lock: file does not exist"},
		{"tcpto", func(h *testkit.Home) { testkit.Must(t, os.Remove(h.Path("queue/lock/tcpto"))) },
			"open tcpto: file does not exist", "write H/queue/lock/tcpto: file does not exist"},
		{"full", func(h *testkit.Home) {
			testkit.Must(t, os.Remove(h.Path("queue/lock/tcpto")))
			testkit.Full(t, h.Path("queue/lock/tcpto"))
		}, "", "clear H/queue/lock/tcpto: out of disk space"},
	}
	for _, tt := range tests {
		h := testkit.NewHome(t)
		tt.spoil(h)
		want := progtest.Result{}
		if tt.tcpto != "" {
			want = progtest.Result{Code: 111, Out: "fatal: unable to " + tt.tcpto + "\n"}
		}
		if r := call(t, Tcpto, h.Dir); tt.tcpto != "" && r != want {
			t.Errorf("%s: qmail-tcpto: %+v, want %+v", tt.name, r, want)
		}
		want = progtest.Result{Code: 111, Err: "qmail-tcpok: fatal: unable to " + strings.Replace(tt.tok, "H", h.Dir, 1) + "\n"}
		if r := call(t, Tcpok, h.Dir); r != want {
			t.Errorf("%s: qmail-tcpok: %+v, want %+v", tt.name, r, want)
		}
	}
}

// A file of the queue: its name and content.
type entry struct{ name, content string }

func TestQread(t *testing.T) {
	mess := entry{"mess/20/457", "0123456789"}
	info := entry{"info/20/457", "Fs@t\x00"}
	const head = "9 Sep 2001 01:46:40 GMT  #457  10  <s@t> "
	tests := []struct {
		name  string
		files []entry
		want  string
	}{
		{"empty", nil, ""},
		{"no recipients", []entry{mess, info}, head + "\n"},
		{"both channels", []entry{mess, info, {"local/20/457", "Tl\x00Dm\x00"}, {"remote/20/457", "Dr@x\x00T\x00"}},
			head + "\n\tlocal\tl\n  done\tlocal\tm\n  done\tremote\tr@x\n\tremote\t\n"},
		{"bouncing", []entry{mess, info, {"bounce/457", "x"}}, head + " bouncing\n"},
		{"strange bytes", []entry{mess, {"info/20/457", "F\xe9\x01\x7f~ @x\x00"}, {"remote/20/457", "T\xe9\n\t@x\x00"}},
			"9 Sep 2001 01:46:40 GMT  #457  10  <___~ @x> \n\tremote\t___@x\n"},
		{"other letters, torn end", []entry{mess, info, {"local/20/457", "Xjunk\x00\x00Tok\x00Ttorn"}}, head + "\n\tlocal\tok\n"},
		{"endless record", []entry{mess, info, {"local/20/457", "Tok\x00T" + strings.Repeat("x", maxRecord)}, {"remote/20/457", "Tno\x00"}},
			head + "\n\tlocal\tok\nwarning: trouble with #457: bad format of local file\n"},
		{"long record", []entry{mess, info, {"local/20/457", "T" + strings.Repeat("x", maxRecord-2) + "\x00Tok\x00"}},
			head + "\n\tlocal\t" + strings.Repeat("x", maxRecord-2) + "\n\tlocal\tok\n"},
		{"no mess", []entry{info}, "warning: trouble with #457: file does not exist\n"},
		{"empty info", []entry{mess, {"info/20/457", ""}}, "warning: trouble with #457: bad format of info file\n"},
		{"torn info", []entry{mess, {"info/20/457", "Fs@t"}}, "warning: trouble with #457: bad format of info file\n"},
		{"endless info", []entry{mess, {"info/20/457", strings.Repeat("x", maxRecord+1)}}, "warning: trouble with #457: file too big\n"},
		{"not numbers, todo", []entry{{"info/20/x", ""}, {"info/20/457x", ""}, {"todo/457", "F\x00"}, mess}, ""},
		{"in order", []entry{{"info/0/230", "Fa\x00"}, {"mess/0/230", ""}, {"info/0/23", "Fb\x00"}, {"mess/0/23", ""}, {"info/22/22", "Fc\x00"}, {"mess/22/22", ""}},
			"9 Sep 2001 01:46:40 GMT  #23  0  <b> \n9 Sep 2001 01:46:40 GMT  #230  0  <a> \n9 Sep 2001 01:46:40 GMT  #22  0  <c> \n"},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		for _, e := range tt.files {
			h.Write("queue/"+e.name, e.content)
			testkit.Must(t, os.Chtimes(h.Path("queue/"+e.name), time.Unix(now, 0), time.Unix(now, 0)))
		}
		if r := call(t, Qread, h.Dir); r != (progtest.Result{Out: tt.want}) {
			t.Errorf("%s: %+v, want %q", tt.name, r, tt.want)
		}
		for _, e := range tt.files {
			testkit.Must(t, os.Remove(h.Path("queue/"+e.name)))
		}
	}
	// Trouble in a channel file: what is known before is shown.
	for _, e := range []entry{mess, info} {
		h.Write("queue/"+e.name, e.content)
		testkit.Must(t, os.Chtimes(h.Path("queue/"+e.name), time.Unix(now, 0), time.Unix(now, 0)))
	}
	testkit.Occupied(t, h.Path("queue/local/20/457"))
	want := head + "\nwarning: trouble with #457: is a directory\n"
	if r := call(t, Qread, h.Dir); r != (progtest.Result{Out: want}) {
		t.Errorf("channel file is a directory: %+v, want %q", r, want)
	}
	testkit.Must(t, os.RemoveAll(h.Path("queue/info/21")))
	want += "fatal: unable to opendir info/21: file does not exist\n"
	if r := call(t, Qread, h.Dir); r != (progtest.Result{Code: 111, Out: want}) {
		t.Errorf("missing directory: %+v, want %q", r, want)
	}
	testkit.Must(t, os.RemoveAll(h.Queue()))
	want = "fatal: unable to chdir: file does not exist\n"
	if r := call(t, Qread, h.Dir); r != (progtest.Result{Code: 111, Out: want}) {
		t.Errorf("missing queue: %+v, want %q", r, want)
	}
}

func TestQstat(t *testing.T) {
	h := testkit.NewHome(t)
	stat := func() progtest.Result { return call(t, Qstat, h.Dir) }
	if r := stat(); r != (progtest.Result{Out: "messages in queue: 0\nmessages in queue but not yet preprocessed: 0\n"}) {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"mess/0/23", "mess/22/22", "mess/junk", "todo/1", "intd/1"} {
		h.Write("queue/"+name, "")
	}
	testkit.Must(t, os.Symlink("23", h.Path("queue/mess/0/46")))
	if r := stat(); r != (progtest.Result{Out: "messages in queue: 3\nmessages in queue but not yet preprocessed: 1\n"}) {
		t.Errorf("%+v", r)
	}
	testkit.Must(t, os.RemoveAll(h.Path("queue/todo")))
	want := progtest.Result{Code: 111, Err: "qmail-qstat: fatal: unable to read " + h.Queue() + "/todo: file does not exist\n"}
	if r := stat(); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	testkit.Must(t, os.RemoveAll(h.Queue()))
	want.Err = "qmail-qstat: fatal: unable to chdir to " + h.Queue() + ": file does not exist\n"
	if r := stat(); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
}
