//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// fakes are programs that take the place of daemons; see fakeDaemon.
var fakes = testkit.Fakes{
	"odd-spawner":  oddSpawner,
	"bad-clean":    badClean,
	"mute-spawner": func() int { return 0 },
}

// fakeDaemon puts a fake where qmail-start finds it instead of a daemon: first
// in its PATH.
func (b *bed) fakeDaemon(daemon, fake string) {
	b.Helper()
	b.must(os.MkdirAll("/tmp/fake", 0o755))
	testkit.Fake(b, "/tmp/fake/"+daemon, fake)
	b.path = "/tmp/fake:" + binPath
}

// oddSpawner is a spawner whose reports are unusual. The box of the recipient
// says how. It speaks the protocol of spec/spawn.md sections 1 and 2.
func oddSpawner() int {
	say := func(parts ...string) {
		if _, err := os.Stdout.WriteString(strings.Join(parts, "")); err != nil {
			os.Exit(1)
		}
	}
	say("\x14") // at most 20 deliveries
	in := bufio.NewReader(os.Stdin)
	for {
		delnum, err := in.ReadByte()
		if err == io.EOF {
			return 0
		}
		var words [3]string
		for i := range words {
			if words[i], err = in.ReadString(0); err != nil {
				return 2
			}
		}
		num := string([]byte{delnum})
		if delnum >= 20 {
			say(num, "ZInternal error: delnum too big. (#4.3.5)\n\x00")
			continue
		}
		box, _, _ := strings.Cut(words[2], "@")
		switch box {
		case "range": // of a slot that does not exist, and of one that is free
			say("\xc8Kx\x00", "\x13Kx\x00", num, "Kfine\n\x00")
		case "mangled":
			say(num, "Xwhat\x00")
		case "short":
			say(num, "\x00")
		case "long":
			say(num, "Z", strings.Repeat("y", 20000), "\x00")
		case "empty":
			say(num, "K\x00")
		case "slow": // one byte in each write
			for _, c := range []byte(num + "Kslow\n\x00") {
				say(string([]byte{c}))
			}
		}
	}
}

// badClean answers every request with "!".
func badClean() int {
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadString(0); err != nil {
			return 0
		}
		if _, err := os.Stdout.WriteString("!"); err != nil {
			return 0
		}
	}
}

// What a broken or strange spawner says does no harm: mail that is not clearly
// delivered stays.
func TestOddReports(t *testing.T) {
	onBed(t, func(b *bed) {
		b.fakeDaemon("qmail-rspawn", "odd-spawner")
		b.start()
		tests := []struct{ box, line string }{
			{"range", `success: fine/`},
			{"mangled", `report mangled, will defer`},
			{"short", `report mangled, will defer`},
			{"long", `deferral: (y+)`},
			{"empty", `success: `},
			{"slow", `success: slow/`},
		}
		for _, tt := range tests {
			m := b.send("", "x\n", tt.box+"@far.test")
			g, next := b.waitAt(m.from, fmt.Sprintf(`^starting delivery (\d+): msg %d to remote `, m.n))
			r := b.wait(next, fmt.Sprintf(`^delivery %s: %s$`, g[1], tt.line))
			// at most 10000 bytes are kept, with number, letter and NUL
			if tt.box == "long" && (len(r[1]) < 9990 || len(r[1]) > 9998) {
				t.Errorf("%d bytes of a report of 20000 are in the log, want 9997 or 9998", len(r[1]))
			}
			if !strings.HasPrefix(tt.line, "success") {
				if got := b.parts(m.n); got != "mess info remote" {
					t.Errorf("%s: message has %q, want mess info remote", tt.box, got)
				}
				continue
			}
			m.end()
		}
		n := 0
		for _, l := range b.journal.all() {
			if l == "warning: internal error: delivery report out of range" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d warnings about a report out of range, want 2", n)
		}
		b.stop()
	})
}

// A qmail-clean that refuses: new mail stays in todo/ and is not delivered.
func TestBadClean(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		b.fakeDaemon("qmail-clean", "bad-clean")
		b.start()
		m := b.send("", "x\n", "ann@"+domain)
		b.wait(m.from, fmt.Sprintf(`^warning: qmail-clean unable to clean up todo/%d$`, m.n))
		b.stop()
		b.never(0, `^starting`)
		if got := b.parts(m.n); !strings.HasPrefix(got, "mess intd todo") {
			t.Errorf("message has %q, want mess, intd and todo", got)
		}
		b.path = ""
		b.start()
		m.end()
		b.empty()
		b.stop()
		if n := strings.Count(ann.read("Mailbox"), "\nx\n\n"); n != 1 {
			t.Errorf("ann got the message %d times, want once", n)
		}
	})
}

// What qmail-send says when it cannot start. It ends with 111 each time.
func TestCannotStart(t *testing.T) {
	tests := []struct {
		name, line string
		spoil      func(b *bed)
	}{
		{"no control directory", "unable to read controls", func(b *bed) {
			b.must(os.Rename(home+"/control", home+"/control.x"))
		}},
		{"no names", "unable to read controls", func(b *bed) {
			b.must(os.Remove(home + "/control/me"))
			b.must(os.Remove(home + "/control/locals"))
		}},
		{"unreadable virtualdomains", "unable to read controls", func(b *bed) {
			b.must(os.Mkdir(home+"/control/virtualdomains", 0o755))
		}},
		{"no mutex", "unable to open mutex", func(b *bed) { b.must(os.Remove(queueDir + "lock/sendmutex")) }},
		{"mute spawner", `hath the daemon spawn no fire\?`, func(b *bed) { b.fakeDaemon("qmail-lspawn", "mute-spawner") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				tt.spoil(b)
				b.startQuietly("./Mailbox")
				if code := b.exit(); code != 111 {
					t.Errorf("exit status %d, want 111", code)
				}
				b.match("log", strings.Join(b.journal.all(), "\n"), "alert: cannot start: "+tt.line)
			})
		})
	}
}

// Addresses with any bytes in them reach log, mailbox and bounce in the
// documented form, and cannot forge a log line.
func TestOddAddresses(t *testing.T) {
	onBed(t, func(b *bed) {
		b.user("ann")
		sue := b.user("sue")
		b.start()
		m := b.send("sue@"+domain, "x\n", "no\nend msg 1@"+domain, "n%\t\xff\"<>@"+domain, "noat", "", "ann@x@"+domain)
		bounce := b.bounce(m.from, m.n)
		m.end()
		bounce.end()
		b.stop()
		for _, r := range []string{`no/end_msg_1@e2e\.test`, `n___"<>@e2e\.test`, `noat@mx\.e2e\.test`, `@mx\.e2e\.test`, `ann@x@e2e\.test`} {
			b.wait(0, fmt.Sprintf(`^starting delivery \d+: msg %d to local %s$`, m.n, r))
		}
		b.never(0, `^end msg 1@`)
		box := sue.read("Mailbox")
		for _, want := range []string{"\n<no_end msg 1@e2e.test>:\n", "\n<n%\t\xff\"<>@e2e.test>:\n", "\n<noat@mx.e2e.test>:\n", "\n<ann@x@e2e.test>:\n"} {
			if !strings.Contains(box, want) {
				t.Errorf("bounce has no %q:\n%q", want, box)
			}
		}
	})
}
