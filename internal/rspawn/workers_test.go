package rspawn

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"remote": fakeRemote}.Play()
	os.Exit(m.Run())
}

// fakeRemote is a qmail-remote that reports how it was run and by which process.
// A sender of "wait" waits until sender of "die" kills it.
func fakeRemote() int {
	say := func(how string, args []string, message, report sys.FD) {
		b, _ := message.ReadAll(1 << 20)
		_, _ = fmt.Fprintf(report, "r\x00K%s %d %s %s\x00", how, os.Getpid(), strings.Join(args, ","), b)
	}
	o := worker.Offered(os.Args[0], pipe.MarkRemote)
	if o == nil {
		say("single", os.Args[1:], 0, 1)
		return 0
	}
	var waiting sync.WaitGroup
	waiting.Add(2)
	o.ServeMany(2, func(args []string, files []sys.FD) worker.Result {
		switch args[1] {
		case "wait":
			waiting.Done()
			select {}
		case "die":
			waiting.Wait()
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "silent":
			return worker.Result{}
		case "temporary":
			return worker.Result{Code: 111}
		case "retire":
			say("worker", args, files[0], files[1])
			return worker.Result{Retire: true}
		}
		say("worker", args, files[0], files[1])
		return worker.Result{}
	})
	return 0
}

// A workerBed keeps the spawner over several deliveries.
type workerBed struct {
	*bed
	s *spawner
}

func newWorkerBed(t *testing.T) *workerBed {
	t.Helper()
	b := &workerBed{bed: newBed(t)}
	name, fake, _ := strings.Cut(testkit.FakeEnv("remote"), "=")
	b.env.Set(name, fake)
	testkit.Install(t, b.home.Path("bin/qmail-remote"))
	b.s = newSpawner(b.env)
	b.s.remotes = newRemotes(b.s)
	t.Cleanup(func() { b.s.remotes.close() })
	return b
}

// all has deliveries done at one time and returns their reports by number.
func (b *workerBed) all(senders ...string) []string {
	b.t.Helper()
	dir, err := sys.OpenDir(".")
	b.must(err)
	defer func() { _ = dir.Close() }()
	commands, in, err := sys.Pipe()
	b.must(err)
	out, reports, err := sys.Pipe()
	b.must(err)
	for i, s := range senders {
		_, err = in.Write(pipe.DeliveryCommand{Delnum: uint32(i + 1), Mess: b.mess, Sender: s, Recipient: "a@h"}.Append(nil))
		b.must(err)
	}
	b.must(in.Close())
	e := &spawn.Engine{Mess: dir, Owner: uint32(os.Geteuid()), Slots: len(senders) + 1, Deliver: b.s.deliver, Bug: crashed}
	go e.Serve(commands, reports)
	text, err := out.ReadAll(1 << 20)
	b.must(err)
	_, _ = commands.Close(), out.Close()
	got := make([]string, len(senders))
	for _, r := range strings.Split(strings.TrimSuffix(string(text[1:]), "\x00"), "\x00") {
		got[r[0]-1] = r[1:]
	}
	return got
}

// one is one delivery: how it was done, and the process.
func (b *workerBed) one(sender string) (how string, pid int) {
	b.t.Helper()
	r := b.all(sender)[0]
	f := strings.Fields(r)
	pid, _ = strconv.Atoi(f[1])
	return f[0], pid
}

func TestWorkers(t *testing.T) {
	b := newWorkerBed(t)
	if got := b.all("s@x")[0]; !strings.HasPrefix(got, "Kworker ") || !strings.HasSuffix(got, " h,s@x,a@h message\n") {
		t.Fatalf("report %q", got)
	}
	_, pid := b.one("s@x")
	for i, r := range b.all(make([]string, remoteWidth)...) {
		if !strings.HasPrefix(r, fmt.Sprintf("Kworker %d ", pid)) {
			t.Errorf("delivery %d of many: %q, want process %d", i, r, pid)
		}
	}
	if how, _ := b.one("silent"); how != "Zqmail-remote" {
		t.Errorf("no report: %q", how)
	}
	if how, _ := b.one("temporary"); how != "ZUnable" {
		t.Errorf("exit code 111: %q", how)
	}
	// A crash defers all that the process has, and no others.
	for i, r := range b.all("wait", "wait", "die") {
		if r != "Zqmail-remote crashed.\n" {
			t.Errorf("delivery %d of a process that died: %q", i, r)
		}
	}
	_, next := b.one("s@x")
	if next == pid || next == 0 {
		t.Errorf("after a crash: process %d, was %d", next, pid)
	}
	_, pid = b.one("retire")
	if _, other := b.one("s@x"); pid != next || other == next {
		t.Errorf("one that wanted no more: %d, then %d, was %d", pid, other, next)
	}
	_, pid = b.one("s@x")
	testkit.Install(t, b.home.Path("bin/qmail-remote"))
	if how, other := b.one("s@x"); how != "Kworker" || other == pid {
		t.Errorf("a new file: %q %d, was %d", how, other, pid)
	}
}

// Who gets a process for each delivery.
func TestNoWorkers(t *testing.T) {
	b := newWorkerBed(t)
	b.must(os.Remove(b.home.Path("bin/qmail-remote")))
	const script = `printf 'r\000Kscript %s x\000' $$`
	b.remote(script)
	if how, _ := b.one("s@x"); how != "Kscript" {
		t.Errorf("a program without the mark: %q", how)
	}
	b.must(os.Remove(b.home.Path("bin/qmail-remote")))
	b.remote("# " + string(pipe.MarkRemote) + "\n" + script)
	for range 2 {
		if how, _ := b.one("s@x"); how != "Kscript" {
			t.Errorf("a program that has the mark and does not say so: %q", how)
		}
	}
	testkit.Install(t, b.home.Path("bin/qmail-remote"))
	b.s.env.Set("QMAILREMOTE", b.home.Path("bin/qmail-remote"))
	if how, _ := b.one("s@x"); how != "Ksingle" {
		t.Errorf("QMAILREMOTE: %q", how)
	}
	b.s.env.Unset("QMAILREMOTE")
	b.must(os.Remove(b.home.Path("bin/qmail-remote")))
	if how, _ := b.one("s@x"); how != "DUnable" {
		t.Errorf("no qmail-remote: %q", how)
	}
}
