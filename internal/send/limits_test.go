package send

import (
	"fmt"
	"os"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

// TestHangupLimits: the concurrencies are read again; deliveries that run go on
// when there are too many, and more begin when there may be.
func TestHangupLimits(t *testing.T) {
	b := newBed(t)
	b.Control("spawnlimit", "120\n")
	b.Control("concurrencylocal", "3\n")
	var rcpts []string
	for i := range 8 {
		rcpts = append(rcpts, fmt.Sprintf("r%d@mx.example.test", i))
	}
	b.queued("Fs@a\x00", "T"+rcpts[0]+"\x00T"+rcpts[1]+"\x00T"+rcpts[2]+"\x00T"+rcpts[3]+
		"\x00T"+rcpts[4]+"\x00T"+rcpts[5]+"\x00T"+rcpts[6]+"\x00T"+rcpts[7]+"\x00", "", "")
	b.start(6, 6)
	hup := func(local string) { b.Control("concurrencylocal", local); b.signals <- sig.HUP; b.settle() }
	next := 0
	expect := func(numbers ...uint32) {
		t.Helper()
		for _, n := range numbers {
			if c := b.command(local); c.Delnum != n || c.Recipient != rcpts[next] {
				t.Errorf("number %d to %s, want %d to %s", c.Delnum, c.Recipient, n, rcpts[next])
			}
			next++
		}
		b.idle(local)
	}
	expect(0, 1, 2)
	hup("1\n")
	b.logged("status: local 3/1 remote 0/6", 1)
	b.report(local, 0, 'K', "") // two still run, and one may
	expect()
	b.report(local, 2, 'K', "")
	b.report(local, 1, 'K', "")
	expect(0)
	hup("0\n")
	b.report(local, 0, 'Z', "")
	b.logged("status: local 0/0 remote 0/6", 1)
	expect()
	hup("2\n")
	expect(0, 1)
	hup("1\n")
	hup("5\n") // 0 and 1 are still in use
	expect(2, 3)
	b.Control("concurrencyremote", "5\n")
	hup("9\n") // no more than the spawner grants
	b.logged("status: local 4/6 remote 0/5", 1)
	check(t, os.Remove(b.Path("control/concurrencylocal")))
	b.signals <- sig.HUP
	b.settle()
	if n := b.s.jobsMax; n != 11 {
		t.Errorf("%d jobs may be, want 11", n)
	}
}

// TestHangupClassic: without control/spawnlimit at the start the concurrencies are
// for the start only, as with C qmail.
func TestHangupClassic(t *testing.T) {
	b := newBed(t)
	b.start(120, 120)
	b.Control("concurrencylocal", "3\n")
	b.Control("spawnlimit", "300\n")
	b.signals <- sig.HUP
	b.settle()
	if got := b.s.limits(); got != [...]int{10, 20} {
		t.Errorf("limits %v", got)
	}
}

// TestHangupLimitsUnreadable: nothing changes then.
func TestHangupLimitsUnreadable(t *testing.T) {
	for _, name := range []string{"concurrencylocal", "concurrencyremote"} {
		b := newBed(t)
		b.Control("spawnlimit", "120\n")
		b.start(3, 3)
		b.Control("locals", "new.test\n")
		testkit.Looping(t, b.Path("control/"+name))
		b.signals <- sig.HUP
		b.logged("alert: unable to reread control/"+name, 1)
		b.settle()
		if c, _ := b.s.routes.Load().rewrite("x@new.test"); c != remote {
			t.Errorf("%s: locals were taken over", name)
		}
	}
}

// answer plays a spawner's part in the handshake: it writes the grant, reads the
// probe and answers it. ended gets an error text, or "".
func (b *bed) answer(ch queue.Channel, grant byte, text string, ended chan<- string) {
	if _, err := b.reports[ch].Write([]byte{grant}); err != nil {
		ended <- err.Error()
		return
	}
	want := pipe.Probe.Append(nil)
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		m, err := b.partner[ch].Read(got[n:])
		if err != nil {
			ended <- err.Error()
			return
		}
		n += m
	}
	if string(got) != string(want) {
		ended <- fmt.Sprintf("first command %q", got)
		return
	}
	if _, err := b.reports[ch].Write([]byte(text)); err != nil {
		ended <- err.Error()
		return
	}
	ended <- ""
}

// TestProbe: with control/spawnlimit above 255 each spawner is asked for the wide
// protocol; one of ours agrees, and one of C, or any other, goes on as it was.
// Nothing of that is logged.
func TestProbe(t *testing.T) {
	const refusal = "\xffZInternal error: delnum too big. (#4.3.5)\n\x00"
	tests := []struct {
		name   string
		answer [queue.Channels]string
		want   string
		wide   [queue.Channels]bool
	}{
		{"both", [...]string{"\xffK400\x00", "\xffK20000\x00"}, "status: local 0/400 remote 0/15000", [...]bool{true, true}},
		{"C", [...]string{refusal, refusal}, "status: local 0/200 remote 0/200", [...]bool{false, false}},
		{"C lspawn", [...]string{refusal, "\xffK500\x00"}, "status: local 0/200 remote 0/500", [...]bool{false, true}},
		{"C rspawn", [...]string{"\xffK20000\x00", refusal}, "status: local 0/10000 remote 0/200", [...]bool{true, false}},
		{"nonsense", [...]string{"\xffK\x00", "\x00K300\x00"}, "status: local 0/200 remote 0/200", [...]bool{false, false}},
		{"too many", [...]string{"\xffK20001\x00", "\xffK20000x\x00"}, "status: local 0/200 remote 0/200", [...]bool{false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.Control("spawnlimit", "15000\n")
			b.Control("concurrencylocal", "10000\n")
			b.Control("concurrencyremote", "15000\n")
			ended := make(chan string, queue.Channels)
			for ch, text := range tt.answer {
				go b.answer(queue.Channel(ch), 200, text, ended)
			}
			s, notice := prepare(b.p)
			if notice != "" {
				t.Fatal(notice)
			}
			_ = s.mutex.Close()
			for range tt.answer {
				if e := <-ended; e != "" {
					t.Error(e)
				}
			}
			for i, c := range s.channels {
				if c.wide != tt.wide[i] {
					t.Errorf("channel %d: wide %v", i, c.wide)
				}
			}
			s.logStatus()
			b.logged(tt.want, 1)
			if got := b.log.all(); got != tt.want {
				t.Errorf("log:\n%s", got)
			}
			b.closeAll()
		})
	}
}

// TestNoProbe: up to 255 no spawner is asked.
func TestNoProbe(t *testing.T) {
	for _, limit := range []string{"255\n", "x\n", "0\n"} {
		b := newBed(t)
		b.Control("spawnlimit", limit)
		b.start(255, 255)
		b.inject("s@a", "r@mx.example.test")
		if c := b.command(local); c.Recipient != "r@mx.example.test" {
			t.Errorf("first command %+v", c)
		}
		b.report(local, 0, 'K', "")
		b.leave()
	}
}

// TestProbeLost: a spawner that ends instead of answering is one that did not start.
func TestProbeLost(t *testing.T) {
	for ch := range queue.Channel(queue.Channels) {
		b := newBed(t)
		b.Control("spawnlimit", "256\n")
		ended := make(chan string, 1)
		if ch == remote {
			go b.answer(local, 120, "\xffK256\x00", ended)
		} else {
			ended <- "" // the other one is not asked any more
			_, err := b.reports[remote].Write([]byte{120})
			check(t, err)
		}
		_, err := b.reports[ch].Write([]byte{120})
		check(t, err)
		check(t, b.reports[ch].Close())
		if code := Run(b.p); code != exitStart {
			t.Errorf("Run() = %d", code)
		}
		if e := <-ended; e != "" {
			t.Error(e)
		}
		b.logged("alert: cannot start: hath the daemon spawn no fire?", 1)
	}
}

// TestWideDeliveries: more deliveries at once than a byte can number, and their
// reports in any order.
func TestWideDeliveries(t *testing.T) {
	const n = 300
	b := newBed(t)
	b.Control("spawnlimit", "1000\n")
	b.Control("concurrencyremote", "1000\n")
	text := ""
	for i := range n {
		text += fmt.Sprintf("Tr%d@far.test\x00", i)
	}
	id := b.queued("Fs@a\x00", "", text, "")
	ended := make(chan string, queue.Channels)
	for ch := range queue.Channel(queue.Channels) {
		go b.answer(ch, 255, "\xffK1000\x00", ended)
	}
	b.wide = true
	b.startAgreed()
	seen := map[uint32]string{}
	for range n {
		c := b.command(remote)
		seen[c.Delnum] = c.Recipient
	}
	b.logged("status: local 0/10 remote 300/1000", 1)
	for i := range uint32(n) {
		d := (i*7 + 11) % n
		if seen[d] != fmt.Sprintf("r%d@far.test", d) {
			t.Errorf("number %d is %q", d, seen[d])
		}
		b.report(remote, d, 'K', "")
	}
	_, err := b.reports[remote].Write(pipe.Report{Delnum: 0x01000000, Letter: 'K'}.AppendWide(nil))
	check(t, err)
	b.logged("warning: internal error: delivery report out of range", 1)
	b.gone(id)
}
