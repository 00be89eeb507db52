package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// deliveryLimit is how long deliveries may take after the last message is in.
const deliveryLimit = 10 * time.Minute

// Names of figures.
const (
	fRate     = "rate /s"
	fTaken    = "taken in /s"
	fLatency  = "latency p50 ms"
	fLatency9 = "latency p95 ms"
	fCPU      = "CPU ms/message"
	fCPURcpt  = "CPU ms/recipient"
	fMiB      = "MiB/s"
	fPSS      = "PSS KiB at the end"
	messages  = "messages" // not shown
)

type figures = map[string]float64

// A variant is one line of scenarios with its numbers.
type variant struct {
	name    string
	kinds   string // of systems it is for
	figures []string
	run     func(b *bed) (figures, error)
}

// variants lists them all.
func variants(o *Options) (list []variant) {
	add := func(name, kinds string, run func(b *bed) (figures, error), show ...string) {
		list = append(list, variant{name, kinds, show, run})
	}
	const both = "qmail postfix"
	for _, v := range []struct {
		name        string
		s, per, cnt int
	}{{"s1-one", 1, 1, 1000}, {"s1-many", 1, 0, 1000}, {"s20-one", 20, 1, 2000}, {"s20-many", 20, 0, 2000}} {
		add("smtp_in/"+v.name, both, func(b *bed) (figures, error) { return b.smtpIn(v.s, v.per, v.cnt) }, fRate, fLatency, fCPU)
	}
	for _, c := range o.Local {
		add(fmt.Sprintf("local/c%d", c), both, func(b *bed) (figures, error) { return b.local(c) }, fRate, fTaken, fCPU, fPSS)
	}
	for _, c := range o.Remote {
		add(fmt.Sprintf("remote/c%d", c), both, func(b *bed) (figures, error) { return b.remote(c, 2000, 1) },
			fRate, fTaken, fCPU, "connections", "peak at once", fPSS)
	}
	for _, r := range o.List {
		for _, c := range o.Remote {
			add(fmt.Sprintf("list/%d-c%d", r, c), both, func(b *bed) (figures, error) { return b.remote(c, 1, r) },
				fRate, fCPURcpt, "connections", "peak at once")
		}
	}
	add("big/in", both, func(b *bed) (figures, error) { return b.big(false) }, fMiB, fCPU)
	add("big/local", both, func(b *bed) (figures, error) { return b.big(true) }, fMiB, fCPU)
	for _, c := range []int{1, 8} {
		add(fmt.Sprintf("inject/c%d", c), "qmail floor", func(b *bed) (figures, error) { return b.inject(c) },
			fRate, fLatency, fLatency9, fCPU)
	}
	add("burst", both, (*bed).burst, fTaken, "delivered meanwhile /s", "delivered/taken", "drain s", fCPU)
	for _, d := range o.Deep {
		add(fmt.Sprintf("deep/%d", d), both, func(b *bed) (figures, error) { return b.deep(d) },
			"inject /s", fLatency, "restart ms", "fresh p50 ms", "scheduler KiB")
	}
	add("idle", both, (*bed).idle, append([]string{"PSS KiB", "processes", "CPU ms/s"}, shortLived()...)...)
	add("pop3", "qmail", (*bed).pop3, "LIST ms", "RETR ms", "RETR /s", "CPU ms")
	return list
}

// count scales a number of messages.
func (b *bed) count(n int) int { return max(1, int(float64(n)*b.Scale)) }

// smtpIn: messages in by SMTP, none delivered.
func (b *bed) smtpIn(sessions, per, n int) (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: 20, hold: true}); err != nil {
		return nil, err
	}
	if err := b.sys.startSMTP(); err != nil {
		return nil, err
	}
	before := b.rest()
	s, err := load{sessions: sessions, n: b.count(n), per: per, rcpt: localUser}.run()
	if err != nil {
		return nil, err
	}
	used := b.rest() - before
	switch sys := b.sys.(type) {
	case *qmail:
		err = sys.queued(s.n, s.n)
	case *postfix:
		if held := files(pfSpool + "/hold"); held != s.n {
			err = fmt.Errorf("%d messages in hold/, expected %d", held, s.n)
		}
	}
	k := float64(s.n)
	return figures{fRate: k / s.wall.Seconds(), fLatency: quantile(s.lat, 0.5), fCPU: 1000 * used / k, messages: k}, err
}

// delivering sends a load and waits until a has seen all of it.
func (b *bed) delivering(l load, a *arrivals) (figures, error) {
	before := b.rest()
	s, err := l.run()
	if err != nil {
		return nil, err
	}
	meanwhile := float64(a.n.Load())
	all := s.n * max(1, l.rcpts)
	last, err := a.wait(all, deliveryLimit)
	if err != nil {
		return nil, err
	}
	pss := b.weighAll()
	used := b.rest() - before
	if got := int(a.n.Load()); got != all {
		return nil, fmt.Errorf("%d deliveries, expected %d", got, all)
	}
	wall, k := last.Sub(s.start).Seconds(), float64(all)
	taken := float64(s.n) / s.wall.Seconds()
	during := meanwhile / s.wall.Seconds()
	return figures{fRate: k / wall, fTaken: taken, fCPU: 1000 * used / k, fCPURcpt: 1000 * used / k, messages: k, fPSS: pss,
		"delivered meanwhile /s": during, "delivered/taken": during / taken,
		"drain s": max(0, wall-s.wall.Seconds())}, nil
}

// maildirs starts everything and counts what arrives at the users.
func (b *bed) maildirs(c int) (*arrivals, error) {
	if err := b.sys.setup(Params{local: c, remote: 20}); err != nil {
		return nil, err
	}
	if err := b.sys.startAll(); err != nil {
		return nil, err
	}
	a := &arrivals{}
	return a, a.watch(boxes())
}

// local: SMTP to Maildirs.
func (b *bed) local(c int) (figures, error) {
	a, err := b.maildirs(c)
	if err != nil {
		return nil, err
	}
	return b.delivering(load{sessions: 10, n: b.count(2000), rcpt: localUser}, a)
}

// burst: SMTP to Maildirs, as fast as it goes.
func (b *bed) burst() (figures, error) {
	a, err := b.maildirs(100)
	if err != nil {
		return nil, err
	}
	return b.delivering(load{sessions: 20, dur: b.Burst, rcpt: localUser}, a)
}

// remote: SMTP to the sink, n messages or one to many.
func (b *bed) remote(c, n, rcpts int) (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: c}); err != nil {
		return nil, err
	}
	s, err := newSink(b.Hold)
	if err != nil {
		return nil, err
	}
	if err := b.sys.startAll(); err != nil {
		return nil, err
	}
	l := load{sessions: 10, n: b.count(n), rcpt: far}
	if rcpts > 1 {
		l = load{sessions: 1, n: 1, rcpts: b.count(rcpts), rcpt: far}
	}
	f, err := b.delivering(l, &s.arrivals)
	if err == nil {
		f["connections"], f["peak at once"] = float64(s.connections.Load()), float64(s.peak.Load())
	}
	return f, err
}

// big: ten messages of 20 MiB over one connection.
func (b *bed) big(deliver bool) (figures, error) {
	const n, size = 10, 20 << 20
	l := load{sessions: 1, n: n, size: size, rcpt: localUser}
	var f figures
	var err error
	if deliver {
		var a *arrivals
		if a, err = b.maildirs(10); err == nil {
			f, err = b.delivering(l, a)
		}
	} else {
		f, err = b.bigIn(l)
	}
	if err != nil {
		return nil, err
	}
	f[fMiB] = f[fRate] * size / (1 << 20)
	return f, nil
}

func (b *bed) bigIn(l load) (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: 20, hold: true}); err != nil {
		return nil, err
	}
	if err := b.sys.startSMTP(); err != nil {
		return nil, err
	}
	before := b.rest()
	s, err := l.run()
	k := float64(s.n)
	return figures{fRate: k / s.wall.Seconds(), fCPU: 1000 * (b.rest() - before) / k, messages: k}, err
}

// inject: a program for each message, no delivery.
func (b *bed) inject(c int) (figures, error) {
	argv := []string{b.Floor, here + "/floor"}
	if b.Kind == "floor" {
		for _, d := range []string{"pid", "intd", "todo"} {
			if err := os.MkdirAll(here+"/floor/"+d, 0o700); err != nil {
				return nil, err
			}
		}
		for i := range 23 {
			if err := os.MkdirAll(fmt.Sprintf("%s/floor/mess/%d", here, i), 0o700); err != nil {
				return nil, err
			}
		}
	} else {
		if err := b.sys.setup(Params{local: 10, remote: 20}); err != nil {
			return nil, err
		}
		argv, _ = b.sys.submit()
	}
	n := b.count(2000)
	f, err := injections(n, c, argv, true)
	if err != nil {
		return nil, err
	}
	if q, ok := b.sys.(*qmail); ok {
		return f, q.queued(n, n)
	}
	if got := files(here + "/floor/mess"); got != n {
		return nil, fmt.Errorf("%d files in mess, expected %d", got, n)
	}
	return f, nil
}

// deep: a queue with d messages that are not due.
func (b *bed) deep(d int) (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: 20}); err != nil {
		return nil, err
	}
	if err := b.submitOne(); err != nil {
		return nil, err
	}
	if _, err := b.untilNew(b.sys.startQueue); err != nil {
		return nil, err
	}
	b.rest()
	if err := b.sys.stop(); err != nil {
		return nil, err
	}
	if err := b.sys.preload(d); err != nil {
		return nil, err
	}
	argv, envelope := b.sys.submit()
	n := b.count(300)
	f, err := injections(n, 1, argv, envelope)
	if err != nil {
		return nil, err
	}
	f["inject /s"] = f[fRate]
	before := files(boxes()[0])
	if f["restart ms"], err = b.untilNew(b.sys.startQueue); err != nil {
		return nil, err
	}
	for end := time.Now().Add(deliveryLimit); files(boxes()[0]) < before+n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of %d fresh messages delivered", files(boxes()[0])-before, n)
		}
	}
	b.rest()
	var fresh []float64
	for range 20 {
		t, err := b.untilNew(b.submitOne)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, t)
	}
	f["fresh p50 ms"] = median(fresh)
	b.rest()
	f["scheduler KiB"] = memory(b.find(b.sys.scheduler()), "Private_Dirty")
	if q, ok := b.sys.(*qmail); ok {
		return f, q.queued(d, 0)
	}
	return f, nil
}

// submitOne gives the system a message for u0.
func (b *bed) submitOne() error {
	argv, envelope := b.sys.submit()
	_, err := injections(1, 1, argv, envelope)
	return err
}

// untilNew does something and returns the ms until u0 has a new message.
func (b *bed) untilNew(do func() error) (float64, error) {
	a := &arrivals{}
	if err := a.watch(boxes()[:1]); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	last, err := a.wait(1, deliveryLimit)
	return ms(last.Sub(start)), err
}

// shortLived are the figures of programs that run for one message or session.
func shortLived() (list []string) {
	for _, p := range strings.Fields("qmail-queue qmail-smtpd qmail-local qmail-remote") {
		list = append(list, p+" private", p+" dirty")
	}
	return list
}
