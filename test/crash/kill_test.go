//go:build e2e

package crash

import (
	"os"
	"strings"
	"testing"
)

// temporary are the exit codes by which qmail-queue says that a message is not
// queued and can be tried again (spec/queue.md, section 6).
var temporary = map[int]bool{51: true, 52: true, 53: true, 54: true, 55: true, 56: true, 61: true, 62: true, 63: true, 64: true, 65: true,
	66: true, 71: true, 72: true, 73: true, 74: true, 81: true, 82: true, 91: true}

// killed is the exit code of the tracer when its program was killed.
const killed = 128 + 9

// runtimeEnd reports whether a code is that of a Go run-time that could not
// start a thread: it ends before the program can say anything. It is 2, or
// SIGABRT where the suite has asked for that; callers take both as temporary
// (docs/DIFFERENCES.md).
func runtimeEnd(p point, code int) bool {
	return strings.HasPrefix(p.call, "thread") && (code == 2 || code == 128+6)
}

// each runs f for every point, and then forgets what the tracer wrote.
func (b *bed) each(points []point, f func(p point)) {
	b.Helper()
	for _, p := range points {
		f(p)
		if b.Failed() && b.tooMany() {
			b.Fatal("enough")
		}
	}
}

// tooMany keeps a broken program from filling the screen.
func (b *bed) tooMany() bool { b.failures++; return b.failures > 20 }

// qmail-queue killed before each call and with each error at each call: exit 0
// only if the message is queued whole; else a documented code and nothing
// queued. What it leaves goes when it is old, and what it accepted arrives.
func TestQueue(t *testing.T) {
	onBed(t, func(b *bed) {
		var accepted []string
		try := func(p point) {
			id := b.newID()
			code := b.enqueue(id, 5000, []string{"ann@" + domain}, b.traced(p, home+"/bin/qmail-queue")...)
			list, wrong := b.look()
			for _, w := range wrong {
				b.Errorf("%v: %s", p, w)
			}
			q, there := holds(list, id)
			switch {
			case code == 0:
				accepted = append(accepted, id)
				if !there || !q.whole {
					b.Errorf("%v: exit 0, but not queued", p)
				}
			case code == hung:
				b.Errorf("%v: it hangs", p)
			case p.action == "kill":
				if code != killed {
					b.Errorf("%v: exit %d", p, code)
				}
			case there:
				b.Errorf("%v: exit %d, yet queued", p, code)
			case !temporary[code] && !runtimeEnd(p, code):
				b.Errorf("%v: exit %d is no documented temporary failure", p, code)
			}
		}
		try(point{exe: "qmail-queue"})
		kills, errs := b.points("qmail-queue")
		b.each(append(kills, errs...), try)
		b.Logf("%d kills, %d errors, %d accepted", len(kills), len(errs), len(accepted))
		b.cleanUp()
		got, broken := b.delivered()
		for _, id := range accepted {
			if got[id] != 1 {
				b.Errorf("%s was accepted and delivered %d times", id, got[id])
			}
		}
		if len(broken) > 0 {
			b.Errorf("broken in the Maildir: %q", broken)
		}
	}, needTracer)
}

// local runs qmail-local as ann with a message and a delivery instruction.
func (b *bed) local(p point, id, how string) (code int, out string) {
	b.Helper()
	return b.run(mail(id, 5000), "", b.traced(p, home+"/bin/setuidgid", ann.Name, home+"/bin/qmail-local", "--",
		ann.Name, ann.Home, ann.Name, "", "", domain, "s@"+domain, how)...)
}

// localPoints runs qmail-local once undisturbed and then try at every point.
func (b *bed) localPoints(how string, try func(p point, id string, code int)) {
	b.Helper()
	one := func(p point) {
		id := b.newID()
		code, out := b.local(p, id, how)
		try(p, id, code)
		if code != 0 && code != 111 && code != killed && !runtimeEnd(p, code) {
			b.Errorf("%v: exit %d, %q", p, code, short(out))
		}
	}
	one(point{exe: "qmail-local"})
	kills, errs := b.points("qmail-local")
	b.each(append(kills, errs...), one)
	b.Logf("%d kills, %d errors", len(kills), len(errs))
}

// A Maildir has the message when qmail-local says so, and never a part of one.
func TestMaildir(t *testing.T) {
	onBed(t, func(b *bed) {
		b.localPoints("./Maildir/", func(p point, id string, code int) {
			got, broken := b.delivered()
			switch {
			case len(broken) > 0:
				b.Errorf("%v: new/ has %q", p, broken)
			case code == 0 && got[id] != 1:
				b.Errorf("%v: exit 0, delivered %d times", p, got[id])
			case code != 0 && p.action != "kill" && got[id] > 0:
				b.Errorf("%v: exit %d, yet delivered", p, code)
			}
			b.emptyHome()
		})
	}, needTracer)
}

// An mbox has the message when qmail-local says so; what was there stays; after
// an error it is cut back. A kill may leave a part: the format knows no better.
func TestMbox(t *testing.T) {
	const before = "From s@x Thu Jan  1 00:00:00 1970\nX-Crash-Id: before\n\nbefore\nX-Crash-End: before\n\n"
	onBed(t, func(b *bed) {
		parts := 0
		b.annWrites("Mailbox", before)
		b.localPoints("./Mailbox", func(p point, id string, code int) {
			text := b.read(ann.Home + "/Mailbox")
			rest, kept := strings.CutPrefix(text, before)
			got, whole := identity(rest)
			switch {
			case !kept:
				b.Errorf("%v: earlier mail is damaged: %q", p, text)
			case code == 0 && !(whole && got == id && strings.HasSuffix(rest, "\n\n")):
				b.Errorf("%v: exit 0, but the message is not whole", p)
			case code != 0 && rest != "" && p.action != "kill":
				b.Errorf("%v: exit %d, %d bytes left", p, code, len(rest))
			case code != 0 && rest != "" && !whole:
				parts++
			}
			if next := b.newID(); p.action == "kill" {
				if code, out := b.local(point{exe: "qmail-local"}, next, "./Mailbox"); code != 0 || !strings.Contains(b.read(ann.Home+"/Mailbox"), mail(next, 5000)) {
					b.Errorf("%v: the next delivery gives %d, %q", p, code, short(out))
				}
			}
			b.annWrites("Mailbox", before)
		})
		b.Logf("%d kills left a part of the message", parts)
	}, needTracer)
}

// A new mbox: the same, and no message without the file's name.
func TestNewMbox(t *testing.T) {
	onBed(t, func(b *bed) {
		b.localPoints("./Mailbox", func(p point, id string, code int) {
			got, whole := identity(b.read(ann.Home + "/Mailbox"))
			if code == 0 && !(whole && got == id) {
				b.Errorf("%v: exit 0, but the message is not whole", p)
			}
			if err := os.Remove(ann.Home + "/Mailbox"); err != nil && !os.IsNotExist(err) {
				b.Fatal(err)
			}
		})
	}, needTracer)
}

// A forward is acknowledged only when it is queued, and never a part of the
// message.
func TestForward(t *testing.T) {
	onBed(t, func(b *bed) {
		b.localPoints("&ann-fwd@"+domain, func(p point, id string, code int) {
			// a killed qmail-local leaves a qmail-queue behind, which has to end
			for len(pids("qmail-queue")) > 0 {
			}
			list, wrong := b.look()
			for _, w := range wrong {
				b.Errorf("%v: %s", p, w)
			}
			q, there := holds(list, id)
			if code == 0 && !(there && q.whole) {
				b.Errorf("%v: exit 0, not queued", p)
			}
			b.emptyQueue()
		})
	}, needTracer)
}

// A program that gets the message gets all of it, or qmail-local does not say
// that it was delivered.
func TestProgram(t *testing.T) {
	onBed(t, func(b *bed) {
		b.localPoints("|cat >out.tmp && mv out.tmp out", func(p point, id string, code int) {
			for len(pids("cat"))+len(pids("sh")) > 0 {
			}
			if got, whole := identity(b.read(ann.Home + "/out")); code == 0 && !(whole && got == id) {
				b.Errorf("%v: exit 0, but the program has not got it", p)
			}
			b.emptyHome()
		})
	}, needTracer)
}

// The programs that make tables: the old table or the new one, whole, and exit
// 0 only for the new one, after its name was flushed.
func TestTables(t *testing.T) {
	tables := []struct {
		program, source, table string
		old, new               string
		args                   []string // then the source is on descriptor 0
	}{
		{"qmail-newu", home + "/users/assign", home + "/users/cdb",
			"=old:alias:7790:2108:/var/qmail/alias:::\n.\n", "=new:alias:7790:2108:/var/qmail/alias:::\n.\n", nil},
		{"qmail-newmrh", home + "/control/morercpthosts", home + "/control/morercpthosts.cdb", "old.test\n", "new.test\n", nil},
		{"newaliases", "/etc/aliases", "/etc/aliases.cdb", "old: ann\n", "new: ann\n", nil},
		{"tcprules", "/tmp/rules", "/etc/rules.cdb", "10.:allow\n", "10.:deny\n", []string{"/etc/rules.cdb", "/etc/rules.tmp"}},
	}
	onBed(t, func(b *bed) {
		for _, tt := range tables {
			table := tt.table
			command := append([]string{home + "/bin/" + tt.program}, tt.args...)
			set := func(text string) { b.must(os.WriteFile(tt.source, []byte(text), 0o644)) }
			build := func() string {
				if code, out := b.run(b.read(tt.source), "", command...); code != 0 {
					b.Fatalf("%s: exit %d, %q", tt.program, code, short(out))
				}
				return b.read(table)
			}
			set(tt.new)
			after := build()
			set(tt.old)
			before := build()
			if before == after {
				b.Fatalf("%s: the same table of two sources", tt.program)
			}
			set(tt.new)
			try := func(p point) {
				code, out := b.run(tt.new, "", b.traced(p, command...)...)
				got := b.read(table)
				switch {
				case got != before && got != after:
					b.Errorf("%v: the table is neither the old nor the new one: %q", p, got)
				case code == 0 && got != after:
					b.Errorf("%v: exit 0, but it is the old table", p)
				case code != 0 && code != 111 && code != killed && !runtimeEnd(p, code):
					b.Errorf("%v: exit %d, %q", p, code, short(out))
				case p.action == "fail" && strings.HasPrefix(p.call, "fsync") && code == 0:
					b.Errorf("%v: exit 0", p)
				}
				if got == after {
					b.must(os.WriteFile(table, []byte(before), 0o644))
				}
			}
			try(point{exe: tt.program})
			b.flushedAfter(tt.program, "rename ", table)
			kills, errs := b.points(tt.program)
			b.each(append(kills, errs...), try)
			b.Logf("%s: %d kills, %d errors", tt.program, len(kills), len(errs))
		}
	}, needTracer)
}

// flushedAfter checks in the tracer's log that after the call which makes the
// name path the directory of that name is flushed.
func (b *bed) flushedAfter(program, what, path string) {
	b.Helper()
	list, _ := b.counted()
	made := false
	for _, c := range list {
		if strings.HasPrefix(c, what) && strings.HasSuffix(c, path[strings.LastIndexByte(path, '/'):]) {
			made = true
		}
		if made && c == "fsync "+path[:strings.LastIndexByte(path, '/')] {
			return
		}
	}
	b.Errorf("%s: no %s of %s that its directory's flush follows:\n%s", program, strings.TrimSpace(what), path, strings.Join(list, "\n"))
}

// The tests above notice a program that says what it has not done.
func TestNotice(t *testing.T) {
	onBed(t, func(b *bed) {
		// "acknowledges everything": qmail-queue whose flushes and links are left out
		id := b.newID()
		if code := b.enqueue(id, 5000, []string{"ann@" + domain}, b.traced(point{exe: "qmail-queue"}, home+"/bin/qmail-queue")...); code != 0 {
			b.Fatalf("qmail-queue: exit %d", code)
		}
		list, _ := b.counted()
		for _, p := range pointsOf("qmail-queue", list) {
			if !strings.HasPrefix(p.call, "link ") || !strings.Contains(p.call, "todo/") {
				continue
			}
			p.action = "fail" // with error 0: success of a call that did not happen
			id := b.newID()
			code := b.enqueue(id, 5000, []string{"ann@" + domain}, b.traced(p, home+"/bin/qmail-queue")...)
			now, _ := b.look()
			if _, there := holds(now, id); code != 0 || there {
				b.Errorf("a link that does not happen: exit %d, queued %v, want 0 and false", code, there)
			}
			return
		}
		b.Errorf("qmail-queue makes no link to todo:\n%s", strings.Join(list, "\n"))
	}, needTracer)
}
