package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/control"
	"goqmail/internal/prog"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
	"goqmail/internal/tree"
)

func TestParseServices(t *testing.T) {
	tests := []struct{ args, want, err string }{
		{"smtp", "smtp 25", ""},
		{"smtp smtp:587 qmtp qmqp pop3", "smtp 25,smtp 587,qmtp 209,qmqp 628,pop3 110", ""},
		{"imap", "", "there is no service imap; known are smtp, qmtp, qmqp, pop3"},
		{"smtp:0", "", "bad port in smtp:0"},
		{"smtp:65536", "", "bad port in smtp:65536"},
		{"smtp:", "", "bad port in smtp:"},
		{"smtp:x", "", "bad port in smtp:x"},
		{"smtp qmtp:25", "", "smtp and qmtp have the same port"},
	}
	for _, tt := range tests {
		list, err := parseServices(strings.Fields(tt.args))
		var got []string
		for _, w := range list {
			got = append(got, fmt.Sprint(w.name, " ", w.port))
		}
		if err == nil && strings.Join(got, ",") != tt.want || text(err) != tt.err {
			t.Errorf("%s: %v, %v, want %s, %s", tt.args, got, err, tt.want, tt.err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseGrace(t *testing.T) {
	for value, want := range map[string]time.Duration{"0": 0, "8": 8 * time.Second, "86400": 24 * time.Hour, "86401": -1, "": -1, "-1": -1, "5s": -1} {
		d, err := parseGrace(prog.NewEnv([]string{"GRACE=" + value}))
		if (err != nil) != (want < 0) || err == nil && d != want {
			t.Errorf("GRACE=%s: %v, %v", value, d, err)
		}
	}
	if d, err := parseGrace(prog.NewEnv(nil)); d != defaultGrace || err != nil {
		t.Errorf("no GRACE: %v, %v", d, err)
	}
	if defaultGrace+endTime+killTime >= 30*time.Second {
		t.Error("TERM does not end the container within 30 seconds")
	}
}

func TestFromEnvironment(t *testing.T) {
	tests := []struct{ env, want, err string }{
		{"A=b", "", ""},
		{"CONTROL_ME=a.test", "me=a.test\n", ""},
		{"CONTROL_LOCALS=a.test  b.test\nc.test", "locals=a.test\nb.test\nc.test\n", ""},
		{"CONTROL_RCPTHOSTS=", "rcpthosts=\n", ""},
		{"CONTROL_SMTPGREETING=mail.a.test hello", "smtpgreeting=mail.a.test hello\n", ""},
		{"CONTROL_DATABYTES=", "databytes=", ""},
		{"CONTROL_TCP_SMTP=10.:allow :deny", "tcp.smtp=10.:allow\n:deny\n", ""},
		{"CONTROL_TCP_QMQP=:deny", "tcp.qmqp=:deny\n", ""},
		{"CONTROL_DEFAULTDELIVERY=|preline x", "defaultdelivery=|preline x\n", ""},
		{"CONTROL_FOO=x", "", "CONTROL_FOO: there is no control file foo"},
		{"CONTROL_TCP_SMTP_CDB=x", "", "CONTROL_TCP_SMTP_CDB: there is no control file tcp.smtp.cdb"},
		{"CONTROL_../X=x", "", "CONTROL_../X: there is no control file ../x"},
		{"CONTROL_=x", "", "CONTROL_: there is no control file "},
	}
	for _, tt := range tests {
		files, err := fromEnvironment(prog.NewEnv([]string{tt.env}))
		got := ""
		for _, f := range files {
			got += f.name + "=" + f.content
		}
		if text(err) != tt.err || err == nil && got != tt.want {
			t.Errorf("%s: %q, %v, want %q, %s", tt.env, got, err, tt.want, tt.err)
		}
	}
}

// home makes a home that an empty volume has, and a Maker that changes no owner.
func home(t *testing.T) *tree.Maker {
	t.Helper()
	return &tree.Maker{Root: t.TempDir()}
}

func TestPrepare(t *testing.T) {
	m := home(t)
	wanted, err := parseServices([]string{"smtp", "qmqp:2628", "pop3"})
	if err != nil {
		t.Fatal(err)
	}
	c := &configuration{home: "/h", listen: "::", run: t.TempDir() + "/a/run", wanted: wanted, uid: 7, gid: 8}
	var said []string
	say := func(s string) { said = append(said, strings.TrimPrefix(s, m.Root+"/")) }
	files := []file{{"me", "MX.a.test\n"}, {"locals", "a.test\nb.test\n"}}
	if err := c.prepare(m, files, "ignored", say); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"me": "mx.a.test\n", "rcpthosts": "a.test\nb.test\n", "defaultdomain": "a.test\n"} {
		if got := testkit.Read(t, m.Root+"/control/"+name); got != want {
			t.Errorf("control/%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"/queue/mess/22", "/queue/lock/trigger", "/alias/.qmail-root", "/users"} {
		if _, err := os.Stat(m.Root + name); err != nil {
			t.Error(err)
		}
	}
	var argv []string
	for _, s := range c.services() {
		argv = append(argv, s.name+": "+strings.ReplaceAll(strings.Join(s.argv, " "), c.run, "RUN"))
	}
	want := []string{
		"qmail-send: /h/bin/qmail-start ./Maildir/",
		"smtp: /h/bin/tcpserver -v -R -H -l mx.a.test -c 100 -x RUN/tcp.smtp.cdb -u 7 -g 8 :: 25 /h/bin/qmail-smtpd",
		"qmqp:2628: /h/bin/tcpserver -v -R -H -l mx.a.test -c 100 -x RUN/tcp.qmqp.cdb -u 7 -g 8 :: 2628 /h/bin/qmail-qmqpd",
		"pop3: /h/bin/tcpserver -v -R -H -l mx.a.test -c 100 -x RUN/tcp.pop3.cdb :: 110 /h/bin/qmail-popup mx.a.test /h/bin/checkpassword /h/bin/qmail-pop3d Maildir",
	}
	if !slices.Equal(argv, want) {
		t.Errorf("services:\n%s\nwant:\n%s", strings.Join(argv, "\n"), strings.Join(want, "\n"))
	}

	// Again: nothing is made, and what was changed is used.
	if err := os.WriteFile(m.Root+"/control/defaultdelivery", []byte("./Mailbox\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	said = nil
	if err := c.prepare(m, []file{{"me", "other\n"}, {"locals", "x\n"}}, "h", say); err != nil || said != nil || c.host != "mx.a.test" || c.delivery != "./Mailbox" {
		t.Errorf("again: %v, %q, host %s, delivery %s", err, said, c.host, c.delivery)
	}
	// A bad rule is an error and leaves the old file.
	before := testkit.Read(t, c.rulesFile("qmqp"))
	if err := os.WriteFile(m.Root+"/control/tcp.qmqp", []byte("nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.compileRules(); err == nil || !strings.HasPrefix(err.Error(), "control/tcp.qmqp: ") || testkit.Read(t, c.rulesFile("qmqp")) != before {
		t.Errorf("a bad rule: %v", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	tests := []struct {
		name  string
		files []file
		harm  func(root string) error
		err   string
	}{
		{"no name", nil, nil, "this host needs a name: set CONTROL_ME"},
		{"open relay", nil, func(root string) error {
			if err := os.Mkdir(root+"/control", 0o755); err != nil {
				return err
			}
			return os.WriteFile(root+"/control/me", []byte("a\n"), 0o644)
		}, "ROOT/control/me exists but ROOT/control/rcpthosts does not: SMTP would take mail for every host in the world"},
		{"empty me", []file{{"rcpthosts", "\n"}}, func(root string) error {
			if err := os.Mkdir(root+"/control", 0o755); err != nil {
				return err
			}
			return os.WriteFile(root+"/control/me", nil, 0o644)
		}, "ROOT/control/me has no host name"},
		{"no home", nil, os.Remove, "unable to open ROOT: file does not exist"},
		{"queue is a file", []file{{"me", "a\n"}}, func(root string) error { return os.WriteFile(root+"/queue", nil, 0o600) }, "unable to mkdir ROOT/queue/pid: not a directory"},
	}
	for _, tt := range tests {
		m := home(t)
		if tt.harm != nil {
			if err := tt.harm(m.Root); err != nil {
				t.Fatal(err)
			}
		}
		c := &configuration{run: t.TempDir()}
		if err := c.prepare(m, tt.files, "", func(string) {}); strings.ReplaceAll(text(err), m.Root, "ROOT") != tt.err {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
		}
	}
}

// A fake is a machine on which processes end when a test says so.
type fake struct {
	t     *testing.T
	clock time.Time
	did   []string // what the keeper has done, in words
	last  int      // the highest pid
	alive map[int]bool
	ended []end
	fail  error // of start
}

type end struct {
	pid int
	st  child.Status
}

func (f *fake) start(argv []string) (int, error) {
	if f.fail != nil {
		return 0, f.fail
	}
	f.last++
	f.alive[f.last] = true
	f.did = append(f.did, fmt.Sprint("start ", argv[0]))
	return f.last, nil
}

func (f *fake) signal(pid int, s sig.Signal) { f.did = append(f.did, fmt.Sprint(s, " ", pid)) }
func (f *fake) signalAll(s sig.Signal)       { f.did = append(f.did, fmt.Sprint(s, " all")) }

func (f *fake) reap() (int, child.Status, bool) {
	if len(f.ended) > 0 {
		e := f.ended[0]
		f.ended = f.ended[1:]
		delete(f.alive, e.pid)
		return e.pid, e.st, true
	}
	return 0, 0, len(f.alive) > 0
}

// keeping makes a keeper of two services that have been started, as 1 and 2.
func keeping(t *testing.T) (*keeper, *fake, *[]string) {
	t.Helper()
	f := &fake{t: t, clock: time.Unix(1000, 0), alive: map[int]bool{}}
	var said []string
	k := &keeper{machine: f, grace: 25 * time.Second, now: func() time.Time { return f.clock }, say: func(s string) { said = append(said, s) },
		services: []*service{{name: "send", argv: []string{"a"}}, {name: "smtp", argv: []string{"b"}}}, rules: func() error { return nil }}
	k.due()
	f.did = nil
	return k, f, &said
}

// step is one turn of run: an event after some time.
func step(k *keeper, f *fake, after time.Duration, s sig.Signal, ends ...end) {
	f.clock = f.clock.Add(after)
	f.ended = append(f.ended, ends...)
	if s != 0 {
		k.obey(s)
	}
	k.collect()
	k.due()
}

func TestRestart(t *testing.T) {
	k, f, said := keeping(t)
	step(k, f, time.Minute, sig.CHLD, end{2, 111 << 8})
	if at, ok := k.next(); !ok || at != f.clock.Add(restartPause) || f.did != nil {
		t.Errorf("next = %v, %v; did %v", at, ok, f.did)
	}
	step(k, f, restartPause, 0)
	step(k, f, time.Minute, sig.CHLD, end{1, 9}, end{77, 0}) // 77 had lost its parent
	step(k, f, restartPause, 0)
	if got := strings.Join(f.did, ", "); got != "start b, start a" {
		t.Errorf("did %s", got)
	}
	want := "smtp, pid 2, ended: exit 111; it is started again|smtp started, pid 3|send, pid 1, ended: signal 9; it is started again|send started, pid 4"
	if got := strings.Join((*said)[2:], "|"); got != want {
		t.Errorf("said %s", got)
	}
	if _, ok := k.next(); ok {
		t.Error("something is due")
	}
}

func TestGiveUp(t *testing.T) {
	k, f, said := keeping(t)
	for pid := 2; k.phase == running; pid = f.last {
		step(k, f, time.Second, sig.CHLD, end{pid, 111 << 8})
		step(k, f, restartPause, 0)
		if f.last > 100 {
			t.Fatal("it never gives up")
		}
	}
	if f.last != 2+maxEarly-1 || !strings.Contains(strings.Join(*said, "|"), "giving up: smtp has ended 10 times within 5 seconds of its start") {
		t.Errorf("%d starts, said %q", f.last, *said)
	}
	step(k, f, 0, sig.CHLD, end{1, 0})
	if k.phase != over || !k.failed {
		t.Errorf("phase %d, failed %v", k.phase, k.failed)
	}
	// What cannot be started at all counts the same.
	k, f, _ = keeping(t)
	f.fail = syscall.ENOMEM
	step(k, f, 0, sig.CHLD, end{2, 0})
	for range maxEarly {
		step(k, f, restartPause, 0)
	}
	if k.phase == running || !k.failed {
		t.Errorf("a service that cannot be started: phase %d", k.phase)
	}
}

// TestLongLived: deaths after a long life are not counted together.
func TestLongLived(t *testing.T) {
	k, f, _ := keeping(t)
	for range 3 * maxEarly {
		step(k, f, earlyTime, sig.CHLD, end{f.last, 9})
		step(k, f, restartPause, 0)
	}
	if k.phase != running {
		t.Error("it gave up")
	}
}

func TestStop(t *testing.T) {
	term, kill := syscall.SIGTERM.String(), syscall.SIGKILL.String()
	tests := []struct {
		name   string
		steps  func(k *keeper, f *fake)
		did    string
		took   time.Duration
		failed bool
	}{
		{"at once", func(k *keeper, f *fake) {
			step(k, f, 0, sig.TERM)
			step(k, f, time.Second, sig.CHLD, end{1, 0}, end{2, 0})
		}, term + " 2, " + term + " 1", time.Second, false},
		{"INT, then TERM, which changes nothing", func(k *keeper, f *fake) {
			step(k, f, 0, sig.INT)
			step(k, f, time.Second, sig.TERM)
			step(k, f, time.Second, sig.CHLD, end{2, 0}, end{1, 0})
		}, term + " 2, " + term + " 1", 2 * time.Second, false},
		{"a connection lasts", func(k *keeper, f *fake) {
			f.alive[50] = true // has lost its parent
			step(k, f, 0, sig.TERM)
			step(k, f, time.Second, sig.CHLD, end{1, 0}, end{2, 0})
			step(k, f, 23*time.Second, 0)
			step(k, f, time.Second, 0)
			step(k, f, time.Second, sig.CHLD, end{50, 15})
		}, term + " 2, " + term + " 1, " + term + " all", 26 * time.Second, false},
		{"nothing ends", func(k *keeper, f *fake) {
			step(k, f, 0, sig.TERM)
			step(k, f, 25*time.Second, 0)
			step(k, f, endTime, 0)
			step(k, f, killTime, 0)
		}, term + " 2, " + term + " 1, " + term + " all, " + kill + " all", 29 * time.Second, false},
		{"qmail-send fails", func(k *keeper, f *fake) {
			step(k, f, 0, sig.TERM)
			step(k, f, time.Second, sig.CHLD, end{2, 0}, end{1, 111 << 8})
		}, term + " 2, " + term + " 1", time.Second, true},
		{"qmail-send has just been started", func(k *keeper, f *fake) {
			step(k, f, 0, sig.TERM)
			step(k, f, time.Second, sig.CHLD, end{2, 0}, end{1, 15})
		}, term + " 2, " + term + " 1", time.Second, false},
		{"while a service waits to be started", func(k *keeper, f *fake) {
			step(k, f, 0, sig.CHLD, end{2, 0})
			step(k, f, 0, sig.TERM)
			step(k, f, restartPause, 0)
			step(k, f, 0, sig.CHLD, end{1, 0})
		}, term + " 1", restartPause, false},
	}
	for _, tt := range tests {
		k, f, said := keeping(t)
		begin := f.clock
		tt.steps(k, f)
		if got := strings.Join(f.did, ", "); got != tt.did || k.phase != over || k.failed != tt.failed || f.clock.Sub(begin) != tt.took {
			t.Errorf("%s: did %s, phase %d, failed %v, took %v; said %q", tt.name, got, k.phase, k.failed, f.clock.Sub(begin), *said)
		}
	}
}

func TestPassedOn(t *testing.T) {
	k, f, said := keeping(t)
	compiled := 0
	k.rules = func() error { compiled++; return errors.New("bad rule") }
	step(k, f, 0, sig.HUP)
	step(k, f, 0, sig.ALRM)
	if got := strings.Join(f.did, ", "); got != fmt.Sprint(syscall.SIGHUP, " 1, ", syscall.SIGALRM, " 1") || compiled != 1 {
		t.Errorf("did %s, compiled %d", got, compiled)
	}
	if got := (*said)[len(*said)-1]; got != "the rules stay as they were: bad rule" {
		t.Errorf("said %s", got)
	}
	step(k, f, 0, sig.CHLD, end{1, 9})
	f.did = nil
	step(k, f, 0, sig.ALRM) // nobody to pass it to
	if f.did != nil {
		t.Errorf("did %v", f.did)
	}
}

// TestRun: events by the channel and the clock, to the exit code.
func TestRun(t *testing.T) {
	k, f, _ := keeping(t)
	signals := make(chan sig.Signal, 2)
	signals <- sig.TERM
	f.ended = []end{{1, 0}, {2, 0}}
	if code := k.run(signals); code != exitStopped {
		t.Errorf("exit %d", code)
	}
	k, f, _ = keeping(t)
	k.now, k.grace = time.Now, 0
	f.fail = errors.New("not started again")
	k.phase, k.deadline, k.failed = killing, time.Now(), true
	if code := k.run(signals); code != exitFailed {
		t.Errorf("exit %d", code)
	}
}

func TestNotFirst(t *testing.T) {
	if code := Run(&prog.Process{Args: []string{me}, Env: prog.NewEnv(nil)}); code != exitUsage {
		t.Errorf("as another process than the first: exit %d", code)
	}
}

// FuzzFromEnvironment: whatever the environment has, each file that comes out is
// a known one without a slash in its name, and lines of lists have no blanks.
func FuzzFromEnvironment(f *testing.F) {
	for _, s := range []string{"CONTROL_ME=a", "CONTROL_LOCALS=a b\nc", "CONTROL_TCP_SMTP=:allow", "CONTROL_..=x", "CONTROL_LOCALS=\xff \xc2\x85", "A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		files, err := fromEnvironment(prog.NewEnv([]string{s}))
		if err != nil {
			return
		}
		for _, file := range files {
			_, isExtra := extra[file.name]
			c, isKnown := control.FileNamed(file.name)
			if strings.Contains(file.name, "/") || !isExtra && !isKnown {
				t.Errorf("%q makes %q", s, file.name)
			}
			if isKnown && c.Kind == control.KindList && strings.ContainsAny(file.content, " \t") {
				t.Errorf("%q makes %q", s, file.content)
			}
		}
	})
}
