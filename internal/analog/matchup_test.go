package analog

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/syslogmsg"
	"goqmail/internal/testkit/progtest"
)

// The log of one good delivery as notqmail 1.09 wrote it, with the stamps of
// the matchup run in spec/logs.md.
const goodLog = `1795201397.020000 status: local 0/10 remote 0/20
1795201397.025000 new msg 10004122
1795201397.030000 info msg 10004122: bytes 260 from <s@mx.example.test> qp 6121 uid 0
1795201397.040000 starting delivery 1: msg 10004122 to local f6joe@mx.example.test
1795201397.040000 status: local 1/10 remote 0/20
1795201397.100000 delivery 1: success: did_1+0+0/
1795201397.100000 status: local 0/10 remote 0/20
1795201397.120000 end msg 10004122
`

// What the classic matchup made of it.
const goodOut = `d k 1795201397.030000 1795201397.040000 1795201397.100000 260 <s@mx.example.test> local.f6joe@mx.example.test 6121 0 did_1+0+0/
m 1795201397.030000 1795201397.120000 260 1 0 0 <s@mx.example.test> 6121 0
`

// nine has the stamps with nanoseconds, as multilog gives them.
var nine = strings.NewReplacer("0000 ", "0000000 ")

// full is a text that splogger sends in one message, but only just.
var full = strings.Repeat("x", syslogmsg.PieceMax)

// result begins the line of a deferral; what follows it is made so long that
// the line needs more than one message.
const result = "delivery 1: deferral: "

var matchupTests = []struct{ name, log, out, state string }{
	{"good", goodLog, goodOut, ""},
	{"no LF at the end", strings.TrimSuffix(goodLog, "\n"), goodOut, ""},
	{"multilog",
		strings.NewReplacer(
			"1795201397.020000", "@400000006b00997f01312d00", "1795201397.025000", "@400000006b00997f017d7840",
			"1795201397.030000", "@400000006b00997f01c9c380", "1795201397.040000", "@400000006b00997f02625a00",
			"1795201397.100000", "@400000006b00997f05f5e100", "1795201397.120000", "@400000006b00997f07270e00").Replace(goodLog),
		nine.Replace(goodOut), ""},
	{"syslog", "Nov 20 19:03:17 mx qmail: " + strings.ReplaceAll(strings.TrimSpace(goodLog), "\n", "\nNov 20 19:03:17 mx qmail: ") + "\n", goodOut, ""},
	{"RFC 3339 date", "2026-11-20T19:03:17.5+01:00 mx qmail: " +
		strings.ReplaceAll(strings.TrimSpace(goodLog), "\n", "\n2026-11-20T19:03:17.5+01:00 mx qmail: ") + "\n", goodOut, ""},
	{"journal", strings.ReplaceAll(goodLog, "0000 ", "0000 mx qmail[812]: "), goodOut, ""},
	{"journal of all", `1.000000 mx qmail[5]: starting delivery 1: msg 5 to local a
1.000000 mx systemd[1]: exiting
1.000000 mx qmail[5]: warning: unable to stat mess/1/24
1.000000 mx kernel: eth0: link is up
2.000000 mx qmail[5]: delivery 1: deferral: x
`, "? 1.000000 mx systemd[1]: exiting\n1.000000 mx qmail[5]: warning: unable to stat mess/1/24\n" +
		"? 1.000000 mx kernel: eth0: link is up\nd z 1.000000 1.000000 2.000000 0 ? local.a ? ? x\n", ""},
	{"blanks in front", "     " + strings.ReplaceAll(strings.TrimSpace(goodLog), "\n", "\n\t "), goodOut, ""},
	{"whole seconds", "5 new msg 1\n5 info msg 1: bytes 2 from <> qp 3 uid 4\n6 end msg 1\n", "m 5 6 2 0 0 0 <> 3 4\n", ""},

	// observed: three failures; failures are counted before deferrals
	{"failures", `1.0 info msg 5: bytes 166 from <a@b> qp 1 uid 2
2.0 starting delivery 1: msg 5 to local x@y
2.0 starting delivery 2: msg 5 to remote z@y
2.0 starting delivery 3: msg 5 to local w@y
3.0 delivery 3: failure: no/
3.0 delivery 1: failure: no/
3.5 delivery 2: failure: no/
4.0 end msg 5
`, `d d 1.0 2.0 3.0 166 <a@b> local.w@y 1 2 no/
d d 1.0 2.0 3.0 166 <a@b> local.x@y 1 2 no/
d d 1.0 2.0 3.5 166 <a@b> remote.z@y 1 2 no/
m 1.0 4.0 166 0 3 0 <a@b> 1 2
`, ""},
	{"all results", `1 info msg 5: bytes 1 from <A@B> qp 1 uid 2
2 starting delivery 7: msg 5 to remote X@Y
3 delivery 7: deferral: later/
4 starting delivery 8: msg 5 to remote X@Y
5 delivery 8: report mangled, will defer
6 starting delivery 9: msg 5 to remote X@Y
7 delivery 9: success: 
8 end msg 5
`, `d z 1 2 3 1 <a@b> remote.x@y 1 2 later/
d z 1 4 5 1 <a@b> remote.x@y 1 2 report_mangled
d k 1 6 7 1 <a@b> remote.x@y 1 2 ` + `
m 1 8 1 1 0 2 <a@b> 1 2
`, ""},

	{"unknown message", "2 starting delivery 1: msg 5 to local a\n3 delivery 1: success: x\n4 end msg 5\n",
		"d k 2 2 3 0 ? local.a ? ? x\n", ""},
	{"unknown delivery", "3 delivery 1: success: x\n", "", ""},
	{"number used again", `1 info msg 5: bytes 1 from <a> qp 1 uid 2
2 new msg 5
3 starting delivery 1: msg 5 to local a
4 delivery 1: success: x
5 info msg 5: bytes 2 from <b> qp 1 uid 2
6 end msg 5
`, "d k 3 3 4 0 ? local.a ? ? x\nm 5 6 2 0 0 0 <b> 1 2\n", ""},
	{"delivery number used again", `2 starting delivery 1: msg 5 to local a
3 status: exiting
4 starting delivery 1: msg 6 to local b
5 delivery 1: success: x
5 delivery 1: success: y
`, "d k 4 4 5 0 ? local.b ? ? x\n", ""},
	{"restart of old versions", "2 starting delivery 1: msg 5 to local a\n3 running\n5 delivery 1: success: x\n", "", ""},

	{"other lines", `1 warning: unable to stat mess/1/24; will try again later
@400000006b00997f01c9c380 alert: out of memory, sleeping...
Nov 20 19:03:17 mx qmail: 5.000000 warning: x
1795201398.139999 bounce msg 10014465 qp 13727
6 triple bounce: discarding bounce/5
7 number of jobs
8 local: x
9 remote: x
10 new msg x
11
` + "\n \nnew msg 5\nNov 20 19:03:17 mx sshd[5]: session opened\n1\x00 new msg 5\n1 new\x00 msg 5\n01 new msg 5\n-1 new msg 5\n", `1 warning: unable to stat mess/1/24; will try again later
@400000006b00997f01c9c380 alert: out of memory, sleeping...
Nov 20 19:03:17 mx qmail: 5.000000 warning: x
? 1795201398.139999 bounce msg 10014465 qp 13727
? 6 triple bounce: discarding bounce/5
? 10 new msg x
? 11
` + "? \n?  \n? new msg 5\n? Nov 20 19:03:17 mx sshd[5]: session opened\n? 1\x00 new msg 5\n? 1 new\x00 msg 5\n? 01 new msg 5\n? -1 new msg 5\n", ""},

	{"state", `1.50 info msg 50: bytes 1 from <A@B> qp 1 uid 2
2 starting delivery 12: msg 50 to local X@Y
@400000006b00997f01c9c380 starting delivery 9: msg 7 to local 
2 starting delivery 13: msg 50 to remote X@Y
2 starting delivery 14: msg 50 to remote X@Y
2 starting delivery 15: msg 50 to remote X@Y
3 delivery 13: success: x
3 delivery 14: failure: x
3 delivery 15: failure: x
4 info msg 9: bytes 1 from <> qp 1 uid 2
`, `d k 1.50 2 3 1 <a@b> remote.x@y 1 2 x
d d 1.50 2 3 1 <a@b> remote.x@y 1 2 x
d d 1.50 2 3 1 <a@b> remote.x@y 1 2 x
`, `4 info msg 9: bytes 1 from <> qp 1 uid 2
4 extra 9 0 0 0
1.50 info msg 50: bytes 1 from <a@b> qp 1 uid 2
1.50 extra 50 1 0 2
1795201397.030000000 starting delivery 9: msg 7 to local 
2 starting delivery 12: msg 50 to local x@y
`},
	{"state read again", `4 info msg 9: bytes 1 from <> qp 1 uid 2
4 extra 9 3 2 1
5 extra 10 3 2 1
6 end msg 9
`, "m 4 6 1 3 1 2 <> 1 2\n", ""},

	{"pieces of splogger", `Nov 20 19:03:17 mx qmail: 1.000000 starting delivery 1: msg 5 to local a
Nov 20 19:03:17 mx qmail: 2.000000 ` + result + full[len(result):] + `
Nov 20 19:03:17 mx dovecot: hello
Nov 20 19:03:18 mx qmail: 2.000000+` + full + `
Nov 20 19:03:18 mx qmail: 2.000000+yz
Nov 20 19:03:18 mx qmail: 2.000000+late
`, "? Nov 20 19:03:17 mx dovecot: hello\n" +
		"d z 1.000000 1.000000 2.000000 0 ? local.a ? ? " + full[len(result):] + full + "yz\n" +
		"? Nov 20 19:03:18 mx qmail: 2.000000+late\n", ""},
	{"pieces of others", `Nov 20 19:03:17 mx qmail: 1.000000 starting delivery 1: msg 5 to local a
Nov 20 19:03:17 mx qmail: 2.000000 ` + result + full[len(result):] + `
Nov 20 19:03:18 mx qmail2: 2.000000+y
Nov 20 19:03:18 mx qmail: 2.000001+y
Nov 20 19:03:18 mx qmail: 2.000002 status: x
`, "? Nov 20 19:03:18 mx qmail2: 2.000000+y\n? Nov 20 19:03:18 mx qmail: 2.000001+y\n" +
		"d z 1.000000 1.000000 2.000000 0 ? local.a ? ? " + full[len(result):] + "\n", ""},
	{"pieces at the end", `Nov 20 19:03:17 mx qmail: 1.000000 starting delivery 1: msg 5 to local a
Nov 20 19:03:17 mx qmail: 2.000000 ` + result + full[len(result):] + `
Nov 20 19:03:18 mx qmail: 2.000000+` + full + `
`, "", `1.000000 starting delivery 1: msg 5 to local a
Nov 20 19:03:17 mx qmail: 2.000000 ` + result + full[len(result):] + `
Nov 20 19:03:17 mx qmail: 2.000000+` + full + `
`},
}

func TestMatchup(t *testing.T) {
	for _, tt := range matchupTests {
		out, state := match(t, tt.log)
		if out != tt.out {
			t.Errorf("%s: output\n%s\nwant\n%s", tt.name, out, tt.out)
		}
		if state != tt.state {
			t.Errorf("%s: state\n%s\nwant\n%s", tt.name, state, tt.state)
		}
	}
}

// A line that is too long is copied, whatever it is, and the next one is read.
func TestLongLine(t *testing.T) {
	for _, n := range []int{logLine - 1, logLine, logLine + 1, 2*logLine + 1, 2*logLine + 2, 5_000_000} {
		long := "1 warning: "
		long += strings.Repeat("x", n-len(long))
		want := "? " + long
		if n <= logLine {
			want = long
		}
		out, state := match(t, long+"\n"+goodLog+long)
		if out != want+"\n"+goodOut+want+"\n" || state != "" {
			t.Errorf("%d bytes: got %d bytes, want %d", n, len(out), len(want+"\n"+goodOut+want+"\n"))
		}
	}
}

// direct is match without descriptors.
func direct(t testing.TB, log string) (out, state string) {
	t.Helper()
	var o, s strings.Builder
	w := bufio.NewWriter(&o)
	if err := newMatchup(w).run(newLines(strings.NewReader(log), 4096), &s); err != nil {
		t.Fatal(err)
	}
	return o.String(), s.String()
}

// cut runs a log in two parts, with what the first leaves before the second.
func cut(t testing.TB, log string, at int) (out, state string) {
	t.Helper()
	out1, state1 := direct(t, log[:at])
	out2, state2 := direct(t, state1+log[at:])
	return out1 + out2, state2
}

// A log in two parts gives the same as the whole, wherever it was cut between
// lines.
func TestCut(t *testing.T) {
	for _, tt := range matchupTests {
		for i := range len(tt.log) {
			if tt.log[i] != '\n' {
				continue
			}
			if out, state := cut(t, tt.log, i+1); out != tt.out || state != tt.state {
				t.Errorf("%s, cut at %d: output\n%s\nstate\n%s", tt.name, i+1, out, state)
			}
		}
	}
}

// Where it cannot write what is open, matchup says so; all else is done.
func TestNoState(t *testing.T) {
	closed := map[int]int{5: 987}
	r := progtest.Run(t, Run, progtest.Call{Args: []string{"matchup"}, Stdin: goodLog + "5 info msg 1: bytes 1 from <> qp 1 uid 1\n", FDs: closed})
	if want := (progtest.Result{Code: 111, Out: goodOut, Err: "matchup: fatal: unable to write pending messages to descriptor 5: file descriptor not open\n"}); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
	r = progtest.Run(t, Run, progtest.Call{Args: []string{"matchup"}, Stdin: goodLog, FDs: closed})
	if want := (progtest.Result{Out: goodOut}); r != want {
		t.Errorf("nothing open: %+v, want %+v", r, want)
	}
}

// A closed descriptor 0 is not an empty log.
func TestNoInput(t *testing.T) {
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does for a closed one
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	for _, name := range []string{"matchup", "zoverall"} {
		r := progtest.Run(t, Run, progtest.Call{Args: []string{name}, FDs: map[int]int{0: int(closed.Fd())}})
		if want := (progtest.Result{Code: 111, Err: name + ": fatal: unable to read input: file descriptor not open\n"}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

// FuzzMatchup: whatever the log is, it may be cut; and what comes out can be
// read by all reports.
func FuzzMatchup(f *testing.F) {
	for _, tt := range matchupTests {
		f.Add(tt.log, uint(len(tt.log)/2))
	}
	f.Fuzz(func(t *testing.T, log string, n uint) {
		at := int(n % uint(len(log)+1))
		at += strings.IndexByte(log[at:], '\n') + 1
		if at > 0 && log[at-1] != '\n' {
			at = 0
		}
		out, state := direct(t, log)
		if out2, state2 := cut(t, log, at); out2 != out || state2 != state {
			t.Errorf("cut at %d of %q:\n%s\nwant\n%s\nstate\n%s\nwant\n%s", at, log, out2, out, state2, state)
		}
		for name, tool := range tools() {
			for _, in := range []string{out, log} {
				r := &run{p: &prog.Process{}, name: name, size: size{1000, 20}, in: newLines(strings.NewReader(in), 4096), out: bufio.NewWriter(io.Discard)}
				if err := tool.do(r, "7"); err != nil {
					t.Errorf("%s of %q: %v", name, in, err)
				}
			}
		}
	})
}

// TestOurLog: what our qmail-send writes of the same mail is the log that the
// golden lines were made of.
func TestOurLog(t *testing.T) {
	use := func(n int) sendlog.Use { return sendlog.Use{Used: n, Max: 10} }
	remote := sendlog.Use{Max: 20}
	const id, rcpt = 10004122, "f6joe@mx.example.test"
	var got []byte
	for _, e := range []struct {
		stamp string
		line  []byte
	}{
		{"020000", sendlog.Status(nil, use(0), remote, false)},
		{"025000", sendlog.New(nil, id)},
		{"030000", sendlog.Info{ID: id, Bytes: 260, Sender: "s@mx.example.test", QP: 6121}.Append(nil)},
		{"040000", sendlog.Starting(nil, 1, id, queue.ChanLocal, rcpt)},
		{"040000", sendlog.Status(nil, use(1), remote, false)},
		{"100000", sendlog.Delivery(nil, 1, sendlog.Success, "did 1+0+0\n")},
		{"100000", sendlog.Status(nil, use(0), remote, false)},
		{"120000", sendlog.End(nil, id)},
	} {
		got = append(append(got, "1795201397."+e.stamp+" "...), e.line...)
	}
	if string(got) != goodLog {
		t.Errorf("got\n%s\nwant\n%s", got, goodLog)
	}
}
