package lspawn

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"local": fakeLocal}.Play()
	os.Exit(m.Run())
}

// fakeLocal is a qmail-local that reports how it was run, its pid, the user and
// the message. The local part, "joe" or "ann" and an order, may ask for more.
func fakeLocal() int {
	say := func(how string, args []string, message, report sys.FD) {
		b, _ := message.ReadAll(1 << 20)
		_, _ = fmt.Fprintf(report, "%s %d %s %s", how, os.Getpid(), args[1], b)
	}
	o := worker.Offered(os.Args[0], pipe.MarkLocal)
	if o == nil {
		say("single", os.Args[1:], 0, 1)
		return 0
	}
	_, n, _ := pipe.ParseWorkerName(os.Args[0])
	conn := sys.FD(n)
	jobs := uint32(0)
	_ = o.Serve(2, func(args []string, files []sys.FD) worker.Result {
		jobs++ // its number, as the starter counts
		say("worker", args, files[0], files[1])
		_, order, _ := strings.Cut(args[3], "-")
		switch order {
		case "die":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "exit":
			os.Exit(0)
		case "retire":
			return worker.Result{Retire: true}
		case "code":
			return worker.Result{Code: 100}
		case "hold": // a grandchild with the report
			c := exec.Command("/bin/sh", "-c", "echo held; read x <hold; echo let go")
			c.Stdout = os.NewFile(uintptr(files[1]), "report")
			_ = c.Start()
		case "flood":
			for range 1000 {
				_ = conn.SendPacket([]byte("nonsense"))
			}
		case "foreign":
			_ = conn.SendPacket(pipe.JobAnswer{Number: 99}.Append(nil))
		case "early": // the answer before the end of the report
			_ = conn.SendPacket(pipe.JobAnswer{Number: jobs}.Append(nil))
			_, _ = files[1].WriteString(" late")
			_, _ = conn.Close(), files[1].Close()
			select {}
		case "empty":
			_ = conn.SendPacket(nil)
		case "close": // no conversation, but it goes on
			_ = conn.Close()
			_, _ = files[1].WriteString(" on")
			_ = files[1].Close()
			select {}
		case "socket": // a grandchild with the conversation
			c := exec.Command("/bin/sh", "-c", "read x <hold")
			c.ExtraFiles = []*os.File{os.NewFile(uintptr(conn), "conversation")}
			_ = c.Start()
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return worker.Result{}
	})
	return 0
}

// newWorkerBed is a bed with the fake qmail-local, that keeps it.
func newWorkerBed(t *testing.T) *bed {
	t.Helper()
	b := newBed(t)
	b.getpw(`u=${1%%-*}; printf '%s\0005001\0005002\000/home/'$u'\000-\000%s\000' $u "$1"`)
	testkit.Install(t, b.home.Path("bin/qmail-local"))
	b.must(syscall.Mkfifo(b.home.Path("hold"), 0o600))
	b.s.env = append(b.s.env, testkit.FakeEnv("local"))
	b.s.locals = newLocals(b.s)
	t.Cleanup(func() { b.s.locals.close() })
	return b
}

// run has a delivery done: how, by which process, and what else the report says.
func (b *bed) run(local string) (how string, pid int, rest string) {
	b.t.Helper()
	return b.parse(b.deliver("s@x", local+"@h"))
}

func (b *bed) parse(report string) (how string, pid int, rest string) {
	b.t.Helper()
	f := strings.SplitN(report, " ", 3)
	if len(f) < 3 {
		return report, 0, ""
	}
	pid, err := strconv.Atoi(f[1])
	if err != nil {
		return report, 0, ""
	}
	return f[0], pid, f[2]
}

func TestWorkers(t *testing.T) {
	b := newWorkerBed(t)
	how, joe, rest := b.run("joe")
	if how != "Kworker" || rest != "joe message\n" {
		t.Fatalf("%q %d %q", how, joe, rest)
	}
	for range 3 {
		if how, pid, rest := b.run("joe-ext"); how != "Kworker" || pid != joe || rest != "joe message\n" {
			t.Errorf("the same user: %q %d %q, want process %d", how, pid, rest, joe)
		}
	}
	how, ann, rest := b.run("ann")
	if how != "Kworker" || ann == joe || rest != "ann message\n" {
		t.Errorf("another user: %q %d %q", how, ann, rest)
	}
	if len(b.ids) != 2 || b.ids[1].UID != 5001 || b.ids[1].GID != 5002 {
		t.Errorf("started as %v", b.ids)
	}
	if _, pid, _ := b.run("joe"); pid != joe {
		t.Error("joe's is gone")
	}
	if how, pid, _ := b.run("joe-code"); how != "Dworker" || pid != joe {
		t.Errorf("exit code 100: %q", how)
	}
	_, pid, _ := b.run("joe-retire")
	_, next, _ := b.run("joe")
	if pid != joe || next == joe {
		t.Errorf("one that wanted no more: %d, then %d, was %d", pid, next, joe)
	}
	testkit.Install(t, b.home.Path("bin/qmail-local"))
	how, pid, _ = b.run("joe")
	if how != "Kworker" || pid == next {
		t.Errorf("a new file: %q %d, was %d", how, pid, next)
	}
	b.must(os.Remove(b.home.Path("bin/qmail-local"))) // it is being executed
	b.local(`printf 'script %d %s' $$ "$2"`)
	if how, _, rest := b.run("joe"); how != "Kscript" || rest != "joe" {
		t.Errorf("a file without the mark: %q %q", how, rest)
	}
	b.must(os.Remove(b.home.Path("bin/qmail-local")))
	if got := b.deliver("s@x", "joe@h"); got == "" || got[0] != 'Z' {
		t.Errorf("no file: %q", got)
	}
}

// A worker in the hands of its user: only the deliveries that it has defer.
func TestHostileWorkers(t *testing.T) {
	b := newWorkerBed(t)
	for _, tt := range []struct{ order, want string }{
		{"die", "Z"}, {"exit", "Z"}, {"flood", "Z"}, {"foreign", "Z"}, {"empty", "Z"}, {"close", "Z"}, {"early", "Kworker"},
	} {
		_, before, _ := b.run("joe")
		_, other, _ := b.run("ann")
		how, _, rest := b.run("joe-" + tt.order)
		if !strings.HasPrefix(how, tt.want) {
			t.Errorf("%s: %q %q, want %q", tt.order, how, rest, tt.want)
		}
		if tt.order == "early" && rest != "joe message\n late" {
			t.Errorf("%s: the report was not read to its end: %q", tt.order, rest)
		}
		how, pid, _ := b.run("joe")
		if how != "Kworker" || pid == before {
			t.Errorf("after %s: %q from process %d, was %d", tt.order, how, pid, before)
		}
		if _, pid, _ := b.run("ann"); pid != other {
			t.Errorf("after %s: ann's is gone, too", tt.order)
		}
	}
}

// A program in the background that keeps the report keeps the delivery, not the
// others.
func TestReportHeld(t *testing.T) {
	b := newWorkerBed(t)
	_, joe, _ := b.run("joe")
	got := make(chan string)
	go func() { got <- b.deliver("s@x", "joe-hold@h") }()
	// Opened when the program in the background reads, so that it has the report.
	hold, err := os.OpenFile(b.home.Path("hold"), os.O_WRONLY, 0)
	b.must(err)
	if how, _, _ := b.run("ann"); how != "Kworker" {
		t.Errorf("another delivery meanwhile: %q", how)
	}
	select {
	case r := <-got:
		t.Errorf("the delivery ended: %q", r)
	default:
	}
	b.must(hold.Close())
	if how, pid, rest := b.parse(<-got); how != "Kworker" || pid != joe || rest != "joe message\nheld\nlet go\n" {
		t.Errorf("%q %d %q", how, pid, rest)
	}
}

// A grandchild that holds the conversation of a worker that died keeps that
// delivery only as long as it lives, and no worker.
func TestConversationHeld(t *testing.T) {
	b := newWorkerBed(t)
	got := make(chan string)
	go func() { got <- b.deliver("s@x", "joe-socket@h") }()
	hold, err := os.OpenFile(b.home.Path("hold"), os.O_WRONLY, 0)
	b.must(err)
	if how, _, _ := b.run("joe"); how != "Kworker" {
		t.Errorf("another delivery meanwhile: %q", how)
	}
	b.must(hold.Close())
	if r := <-got; r == "" || r[0] != 'Z' {
		t.Errorf("report %q", r)
	}
}

// A job that does not fit is done by a process of its own.
func TestTooLong(t *testing.T) {
	b := newWorkerBed(t)
	b.s.fallback = strings.Repeat("x", pipe.JobMax)
	if how, _, _ := b.run("joe"); how != "Ksingle" {
		t.Errorf("%q", how)
	}
}
