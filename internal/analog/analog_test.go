package analog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"goqmail/internal/hier"
	"goqmail/internal/testkit/progtest"
)

// call runs the program under a name; state is what it wrote to descriptor 5.
func call(t testing.TB, stdin string, args ...string) (r progtest.Result, state string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "5")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r = progtest.Run(t, Run, progtest.Call{Args: args, Stdin: stdin, FDs: map[int]int{5: int(f.Fd())}})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// match is matchup; it must succeed and say nothing.
func match(t testing.TB, log string) (out, state string) {
	t.Helper()
	r, state := call(t, log, "/x/bin/matchup")
	if r.Code != 0 || r.Err != "" {
		t.Fatalf("matchup: exit %d, %q", r.Code, r.Err)
	}
	return r.Out, state
}

// show is a report or filter; it must succeed and say nothing.
func show(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r, _ := call(t, stdin, args...)
	if r.Code != 0 || r.Err != "" {
		t.Fatalf("%q: exit %d, %q", args, r.Code, r.Err)
	}
	return r.Out
}

func TestNames(t *testing.T) {
	const in = "m 1 2 166 0 3 0 <a@b> 7 8\nm 1 2 166 0 3 0 <> 9 8\n"
	tests := []struct {
		args string
		code int
		out  string // begins with it
		err  string
	}{
		{"xqp 7", 0, "m 1 2 166 0 3 0 <a@b> 7 8\n", ""},
		{"/var/qmail/bin/xqp 7", 0, "m 1 2 166 0 3 0 <a@b> 7 8\n", ""},
		{"matchup xqp 7", 0, "m 1 2 166 0 3 0 <a@b> 7 8\n", ""},
		{"matchup zsenders", 0, "Senders\n\n", ""},
		{"zsenders", 0, "Senders\n\n", ""},
		{"other", 0, "? m 1 2 166", ""},
		{"matchup", 0, "? m 1 2 166", ""},
		{"matchup x", 100, "", "matchup: usage: matchup [ xqp | xrecipient | xsender | zddist | zdeferrals | "},
		{"zsenders log", 100, "", "zsenders: usage: zsenders\n"},
		{"xqp 1 2", 100, "", "xqp: usage: xqp QP\n"},
		{"matchup xsender 1 2", 100, "", "xsender: usage: xsender [ SENDER ]\n"},
		{"xqp", 100, "", "xqp: usage: xqp QP\n"},
		{"xrecipient", 100, "", "xrecipient: usage: xrecipient CHANNEL.RECIPIENT\n"},
		{"xsender", 0, "m 1 2 166 0 3 0 <> 9 8\n", ""},
	}
	for _, tt := range tests {
		r, _ := call(t, in, strings.Fields(tt.args)...)
		if r.Code != tt.code || !strings.HasPrefix(r.Out, tt.out) || !strings.HasPrefix(r.Err, tt.err) || (r.Out == "") != (tt.out == "") || (r.Err == "") != (tt.err == "") {
			t.Errorf("%s: %+v, want %+v", tt.args, r, tt)
		}
	}
	want := "xqp xrecipient xsender zddist zdeferrals zfailures zoverall zrecipients zrhosts zrxdelay zsenders zsendmail zsuccesses zsuids"
	if got := strings.Join(names(), " "); got != want {
		t.Errorf("names() = %s, want %s", got, want)
	}
}

// TestInstalledNames: setup makes a link for each name.
func TestInstalledNames(t *testing.T) {
	var got []string
	for _, it := range hier.Programs() {
		if it.SameAs == matchupName {
			got = append(got, it.Name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, names()) {
		t.Errorf("installed are %q, want %q", got, names())
	}
}

// sample is what matchup made of a log, with lines between that it did not
// understand.
const sample = `d k 100.000000 100.500000 101.000000 1000 <a@x> local.joe@h 11 500 did_1+0+0/
? 101.000000 bounce msg 5 qp 6
d z 100.000000 100.500000 103.500000 1000 <a@x> remote.bob@far 11 500 CNAME_lookup_failed_temporarily._(#4.4.3)/
d k 100.000000 400.500000 401.250000 1000 <a@x> remote.bob@far 11 500 1.2.3.4_accepted_message./
m 100.000000 401.500000 1000 2 0 1 <a@x> 11 500
warning 102: not one of ours
d d 200.000000 200.125000 200.250000 50 <> local.jane@h 12 7 Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/
d k 200.000000 200.125000 200.375000 50 <> local.joe@h 12 7 did_1+0+0/
d k 200.000000 200.125000 200.625000 50 <> local.list 12 7 
m 200.000000 201.000000 50 2 1 0 <> 12 7
d z 300.000000 300.000000 310.000000 9 <still@queued> remote.a@b@far 13 500 later
`

func TestOverall(t *testing.T) {
	want := explainOverall + `Completed messages: 2
Recipients for completed messages: 5
Total delivery attempts for completed messages: 6
Average delivery attempts per completed message: 3
Bytes in completed messages: 1050
Bytes weighted by success: 2100
Average message qtime (s): 151.25

Total delivery attempts: 7
  success: 4
  failure: 1
  deferral: 2
Total ddelay (s): 303.250000
Average ddelay per success (s): 75.812500
Total xdelay (s): 15.125000
Average xdelay per delivery attempt (s): 2.160714
Time span (days): 0.00348958
Average concurrency: 0.0501658
`
	if got := show(t, sample, "zoverall"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	want = explainOverall + "Completed messages: 0\n\nTotal delivery attempts: 0\n"
	if got := show(t, "", "zoverall"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	one := "d z 5 5 5 0 ? local.a ? ? r\n" // no time, no success, no message
	want = explainOverall + "Completed messages: 0\n\nTotal delivery attempts: 1\n  success: 0\n  failure: 0\n  deferral: 1\n" +
		"Total ddelay (s): 0.000000\nTotal xdelay (s): 0.000000\nAverage xdelay per delivery attempt (s): 0.000000\n"
	if got := show(t, one, "zoverall"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for line := range strings.Lines(explainOverall) { // scripts look for the labels
		if strings.HasPrefix(line, "Completed") || strings.HasPrefix(line, "Total") || strings.HasPrefix(line, "Average") || strings.HasPrefix(line, "Time") {
			t.Errorf("the explanation has a line that looks like a result: %q", line)
		}
	}
}

// tables are the reports on sample, without title and explanation.
var tables = map[string]string{
	"zddist": `
doneby    avg  pct
  0.38   0.38  25
  0.62   0.50  50
  1.00   0.67  75
301.25  75.81  100
`,
	"zdeferrals": `
del  xdelay  reason
  1    3.00  CNAME lookup failed temporarily. (#4.4.3)/
  1   10.00  later
`,
	"zfailures": `
del  xdelay  reason
  1    0.12  Sorry, no mailbox here by that name. (#5.1.1)/
`,
	"zsuccesses": `
del  xdelay  reason
  1    0.50  ` + `
  1    0.75  1.2.3.4 accepted message./
  2    0.75  did 1+0+0/
`,
	"zrecipients": `
sbytes  mess  tries  xdelay  recipient
     0     1      1    0.12  local.jane@h
    50     1      1    0.50  local.list
  1050     2      2    0.75  local.joe@h
  1000     1      2    3.75  remote.bob@far
     0     0      1   10.00  remote.a@b@far
`,
	"zrhosts": `
sbytes  mess  tries  xdelay  host
    50     1      1    0.50  local.list
  1050     3      3    0.88  h
  1000     1      3   13.75  far
`,
	"zrxdelay": `
  avg  tries  recipient
 0.12      1  local.jane@h
 0.38      2  local.joe@h
 0.50      1  local.list
 1.88      2  remote.bob@far
10.00      1  remote.a@b@far
`,
	"zsenders": `
mess  bytes  sbytes  rbytes  recips  tries    xdelay  sender
   1     50     100     150       3      3  0.875000  <>
   1   1000    2000    2000       2      3  4.250000  <a@x>
`,
	"zsuids": `
mess  bytes  sbytes  rbytes  recips  tries     xdelay  uid
   1     50     100     150       3      3   0.875000  7
   1   1000    2000    2000       2      3  14.250000  500
`,
}

func TestTables(t *testing.T) {
	for name, want := range tables {
		got := show(t, sample, name)
		_, table, _ := strings.Cut(got, "\n\n")
		explain, table, ok := strings.Cut(table, "\n\n")
		if !ok || "\n"+table != want {
			t.Errorf("%s:\n%s\nwant %s", name, table, want)
		}
		first := strings.Fields(want)[0]
		for line := range strings.Lines(explain) { // scripts look for the heading
			if strings.HasPrefix(strings.TrimSpace(line), first) {
				t.Errorf("%s: the explanation has a line that looks like the heading: %q", name, line)
			}
		}
		head, _, _ := strings.Cut(strings.TrimPrefix(want, "\n"), "\n")
		got = show(t, "", name)
		if !strings.HasSuffix(got, "\n\n"+strings.Join(strings.Fields(head), "  ")+"\n") {
			t.Errorf("%s of nothing: %s", name, got)
		}
	}
	if n := len(reports()) + 1; n != len(tables) {
		t.Errorf("%d reports, %d of them tested", n, len(tables))
	}
}

// TestDistCounts: equal ddelays count as often as they are there; below 10
// percent there is no line.
func TestDistCounts(t *testing.T) {
	in := strings.Repeat("d k 1 2 2 0 <> a 1 2 r\n", 3) + "d k 1 2 6 0 <> a 1 2 r\nd z 1 2 9 0 <> a 1 2 r\n"
	if got, want := show(t, in, "zddist"), "doneby   avg  pct\n  1.00  1.00  75\n  5.00  2.00  100\n"; !strings.HasSuffix(got, "\n\n"+want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	in = "d k 2 2 1 0 <> a 1 2 r\n" + strings.Repeat("d k 1 2 6 0 <> a 1 2 r\n", 19) // a clock that was set back
	if got, want := show(t, in, "zddist"), "doneby   avg  pct\n  5.00  4.70  100\n"; !strings.HasSuffix(got, "\n\n"+want) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestTitles(t *testing.T) {
	for name, title := range map[string]string{
		"zoverall": "Basic statistics", "zddist": "Distribution of ddelays for successful deliveries",
		"zdeferrals": "Reasons for deferral", "zfailures": "Reasons for failure", "zsuccesses": "Reasons for success",
		"zrecipients": "Recipients", "zrhosts": "Recipient hosts", "zrxdelay": "Recipients in the best order for mailing lists",
		"zsenders": "Senders", "zsuids": "Sender uids",
	} {
		if got := show(t, "", name); !strings.HasPrefix(got, title+"\n\n") {
			t.Errorf("%s begins with %q", name, got)
		}
	}
}

func TestFilters(t *testing.T) {
	at := func(n ...int) string {
		lines := strings.SplitAfter(sample, "\n")
		var out string
		for _, i := range n {
			out += lines[i]
		}
		return out
	}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"xsender", "a@x"}, at(0, 2, 3, 4)},
		{[]string{"xsender", "A@X"}, at(0, 2, 3, 4)},
		{[]string{"xsender", ""}, at(6, 7, 8, 9)},
		{[]string{"xsender", "a"}, ""},
		{[]string{"xsender", "<a@x>"}, ""},
		{[]string{"xrecipient", "local.joe@h"}, at(0, 7)},
		{[]string{"xrecipient", "joe@h"}, ""},
		{[]string{"xrecipient", "11"}, ""},
		{[]string{"xqp", "12"}, at(6, 7, 8, 9)},
		{[]string{"xqp", "1"}, ""},
		{[]string{"xqp", "7"}, ""},
	}
	for _, tt := range tests {
		if got := show(t, sample, tt.args...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := show(t, "d k 1 2 3 4 <a> local.b 1\nm 1 2\nd\ndk", "xqp", ""); got != "" {
		t.Errorf("short lines: %q", got)
	}
	if got, want := show(t, "m 1 2 3 4 5 6 <a> 7 8", "xqp", "7"), "m 1 2 3 4 5 6 <a> 7 8\n"; got != want {
		t.Errorf("without LF: %q", got)
	}
}

func TestSendmail(t *testing.T) {
	want := `101.000000 qp 11: to=local.joe@h, uid=500, ddelay=1.000000, xdelay=0.500000, stat=Sent (did_1+0+0/)
? 101.000000 bounce msg 5 qp 6
103.500000 qp 11: to=remote.bob@far, uid=500, ddelay=3.500000, xdelay=3.000000, stat=Deferred (CNAME_lookup_failed_temporarily._(#4.4.3)/)
401.250000 qp 11: to=remote.bob@far, uid=500, ddelay=301.250000, xdelay=0.750000, stat=Sent (1.2.3.4_accepted_message./)
401.500000 qp 11: from=<a@x>, uid=500, size=1000, nrcpts=2, deferrals=1, qtime=301.500000
warning 102: not one of ours
200.250000 qp 12: to=local.jane@h, uid=7, ddelay=0.250000, xdelay=0.125000, stat=Failed (Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/)
200.375000 qp 12: to=local.joe@h, uid=7, ddelay=0.375000, xdelay=0.250000, stat=Sent (did_1+0+0/)
200.625000 qp 12: to=local.list, uid=7, ddelay=0.625000, xdelay=0.500000, stat=Sent ()
201.000000 qp 12: from=<>, uid=7, size=50, nrcpts=3, deferrals=0, qtime=1.000000
310.000000 qp 13: to=remote.a@b@far, uid=500, ddelay=10.000000, xdelay=10.000000, stat=Deferred (later)
d broken
`
	if got := show(t, sample+"d broken", "zsendmail"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Lines that should be matchup's and are not are told about; lines that are too
// long are among them, where they begin like one.
func TestBadLines(t *testing.T) {
	long := strings.Repeat("x", 3*reportLine)
	in := "d k 1 2\nm x\nd k 1 2 3 4 <" + long + "> local.a 1 2 r\nm " + long + "\n" + long + "\nm 1 2 3 1 0 0 <a> 7 8\n"
	for _, name := range names() {
		args := []string{name}
		if tools()[name].most > 0 {
			args = append(args, "7")
		}
		r, _ := call(t, in, args...)
		want := name + ": warning: lines that cannot be understood: 4\n"
		if name[0] == 'x' || name == "zsendmail" {
			want = ""
		}
		if r.Code != 0 || r.Err != want {
			t.Errorf("%s: exit %d, %q, want %q", name, r.Code, r.Err, want)
		}
	}
	r, _ := call(t, in, "zsendmail")
	if want := strings.Replace(in, "m 1 2 3 1 0 0 <a> 7 8\n", "2 qp 7: from=<a>, uid=8, size=3, nrcpts=1, deferrals=0, qtime=1.000000\n", 1); r.Out != want {
		t.Errorf("zsendmail changed long lines: %d bytes, want %d", len(r.Out), len(want))
	}
}
