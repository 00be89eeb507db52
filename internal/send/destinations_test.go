package send

import (
	"fmt"
	"slices"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
)

func TestDomainLimits(t *testing.T) {
	limits := parseDomainLimits([]string{
		"Slow.Test:2", ".slow.test:3x", ".b.slow.test:4", "twice.test:1", "TWICE.test:5:7", "off.test:0", ".off.test:0",
		"none.test", "bad.slow.test:x", "neg.test:-1", "blank.test: 3", ":9", "huge.test:99999999999999999999", "[192.0.2.1]:6",
	})
	tests := []struct {
		domain string
		want   int
	}{
		{"slow.test", 2}, {"a.slow.test", 3}, {"c.b.slow.test", 4}, {"b.slow.test", 3}, {"bad.slow.test", 3},
		{"twice.test", 5}, {"off.test", noLimit}, {"a.off.test", noLimit}, {"none.test", 9}, {"neg.test", 9}, {"blank.test", 9},
		{"other.test", 9}, {"", 9}, {"slow.test.", 9}, {"xslow.test", 9}, {"huge.test", noLimit}, {"[192.0.2.1]", 6},
	}
	for _, tt := range tests {
		if got := limits.of(tt.domain); got != tt.want {
			t.Errorf("limit of %q = %d, want %d", tt.domain, got, tt.want)
		}
	}
	if got := parseDomainLimits([]string{"a.test:3", "", "x"}).of("b.test"); got != noLimit {
		t.Errorf("without a line for all others: %d", got)
	}
}

// TestDestinationOf: what is after the last @ counts, and domains without a limit are
// not kept.
func TestDestinationOf(t *testing.T) {
	ds := newDestinations(parseDomainLimits([]string{"slow.test:2"}), defaultLifetime)
	d := ds.of("a@b@SLOW.test")
	if d == nil || d != ds.of("@slow.Test") || d.domain != "slow.test" || d.limit != 2 {
		t.Errorf("of() = %+v", d)
	}
	for _, rcpt := range []string{"a@other.test", "slow.test", "", "a@slow.te\u017ft"} {
		if d := ds.of(rcpt); d != nil {
			t.Errorf("of(%q) = %+v", rcpt, d)
		}
	}
	if len(ds.all) != 1 {
		t.Errorf("%d destinations", len(ds.all))
	}
	if (*destinations)(nil).of("a@slow.test") != nil || (*destination)(nil).mustWait(1, false) {
		t.Error("nil has limits")
	}
}

// TestHold goes through reports on one destination with a limit of 2. A step is the
// time since the start, "+" for a delivery that starts and must be let start, "-" for
// one that is not let, or the letter of a report on the oldest that runs.
func TestHold(t *testing.T) {
	type step struct {
		at   int64
		do   byte
		want change
		hold int64
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"limit", []step{{0, '+', 0, 0}, {0, '+', 0, 0}, {0, '-', 0, 0}, {0, 'K', 0, 0}, {0, '+', 0, 0}, {0, '-', 0, 0}}},
		{"three in a row", []step{
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {1, 'Z', 0, 0}, {1, '+', 0, 0}, {2, 'Z', isHeld, 60},
			{2, '-', 0, 60}, {61, '-', 0, 60}, {62, '+', 0, 60}, {62, '-', 0, 60}, {63, 'Z', isHeld, 120},
			{182, '-', 0, 120}, {183, '+', 0, 120}, {190, 'K', isReleased, 0}, {190, '+', 0, 0}, {190, '+', 0, 0}, {190, '-', 0, 0},
		}},
		{"a success between", []step{
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'K', 0, 0},
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'D', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0},
		}},
		{"mangled counts", []step{
			{0, '+', 0, 0}, {0, 'Q', 0, 0}, {0, '+', 0, 0}, {0, 0, 0, 0}, {0, '+', 0, 0}, {0, 'Z', isHeld, 60},
		}},
		{"reports of those that ran before", []step{
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, '+', 0, 0}, {5, 'Z', isHeld, 60},
			{9, 'Z', 0, 60}, {65, '+', 0, 60}, {66, 'D', isReleased, 0},
		}},
		{"one that ran before releases", []step{
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, '+', 0, 0}, {5, 'Z', isHeld, 60},
			{9, 'K', isReleased, 0}, {9, '+', 0, 0},
		}},
		{"doubled up to an hour", []step{
			{0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', 0, 0}, {0, '+', 0, 0}, {0, 'Z', isHeld, 60},
			{60, '+', 0, 60}, {60, 'Z', isHeld, 120}, {180, '+', 0, 120}, {180, 'Z', isHeld, 240}, {420, '+', 0, 240},
			{420, 'Z', isHeld, 480}, {900, '+', 0, 480}, {900, 'Z', isHeld, 960}, {1860, '+', 0, 960}, {1860, 'Z', isHeld, 1920},
			{3780, '+', 0, 1920}, {3780, 'Z', isHeld, 3600}, {7380, '+', 0, 3600}, {7380, 'Z', isHeld, 3600},
		}},
		{"the clock is set back", []step{
			{9000, '+', 0, 0}, {9000, 'Z', 0, 0}, {9000, '+', 0, 0}, {9000, 'Z', 0, 0}, {9000, '+', 0, 0}, {9000, 'Z', isHeld, 60},
			{0, '+', 0, 60}, {0, 'Z', isHeld, 120}, {119, '-', 0, 120}, {120, '+', 0, 120},
		}},
	}
	for _, tt := range tests {
		ds := newDestinations(domainLimits{"": 2}, defaultLifetime)
		d := &destination{domain: "x.test", limit: 2, idle: 1}
		ds.all[d.domain] = d
		var number uint64
		var running []uint64
		for i, st := range tt.steps {
			now := st.at + 1000
			var c change
			switch st.do {
			case '+', '-':
				if got := !d.mustWait(now, false); got != (st.do == '+') {
					t.Errorf("%s, step %d: let start: %v", tt.name, i, got)
				}
				if st.do == '+' {
					number++
					running = append(running, number)
					ds.all[d.domain] = d // as if a message waited: it is not forgotten
					if ds.begin("r@X.test", number, now) != d {
						t.Fatalf("%s, step %d: another destination", tt.name, i)
					}
				}
			default:
				c = ds.end(d, running[0], st.do, now)
				running = running[1:]
			}
			if c != st.want || d.hold != st.hold {
				t.Errorf("%s, step %d: change %d, hold %d, want %d, %d", tt.name, i, c, d.hold, st.want, st.hold)
			}
		}
	}
}

// TestDyingIsNotHeld: but it obeys the limit.
func TestDyingIsNotHeld(t *testing.T) {
	d := &destination{limit: 1, hold: 60, until: 2000}
	if d.mustWait(1000, true) || !d.mustWait(1000, false) {
		t.Error("held for a message in its last attempt, or not for another")
	}
	d.line.push(wait{since: 1})
	if d.mustWait(1000, true) || !d.mustWait(3000, false) {
		t.Error("the line holds a message in its last attempt, or no other")
	}
	d.running = 1
	if !d.mustWait(1000, true) {
		t.Error("no limit in the last attempt")
	}
}

// TestLine: the oldest message comes first, destinations take turns, and a held one
// wakes when a probe may start or its oldest message has grown too old.
func TestLine(t *testing.T) {
	const start = 1_000_000
	ds := newDestinations(domainLimits{"": 1}, 1000)
	for i, domain := range []string{"a.test", "b.test"} {
		d := ds.begin("x@"+domain, uint64(i), start)
		for n := range 3 {
			ds.join(d, wait{since: start - int64(n), id: queue.ID(10*i + n)}, start)
		}
	}
	if d := ds.next(start); d != nil {
		t.Errorf("%s is ready", d.domain)
	}
	a, b := ds.of("@a.test"), ds.of("@b.test")
	ds.end(a, 0, pipe.Success, start)
	ds.end(b, 1, pipe.Success, start)
	var got []string
	for range 4 {
		d := ds.next(start)
		w := d.line.pop()
		ds.look(d, start)
		got = append(got, fmt.Sprint(d.domain, w.id))
	}
	if want := []string{"a.test2", "b.test12", "a.test1", "b.test11"}; !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
	for range holdAfter { // a is held with one message waiting
		ds.end(ds.begin("x@a.test", 7, start), 7, pipe.Deferral, start)
	}
	ds.begin("x@b.test", 8, start) // b is full
	if d := ds.next(start); d != nil {
		t.Errorf("%s is ready", d.domain)
	}
	if at := ds.nextTime(); at != start+holdFirst {
		t.Errorf("next time %d", at-start)
	}
	ds.wake(start + holdFirst)
	if d := ds.next(start + holdFirst); d != a {
		t.Error("a is not ready for a probe")
	}
	now := int64(start + holdFirst)
	for n := uint64(10); now < start+1000; n++ {
		ds.end(ds.begin("y@a.test", n, now), n, pipe.Deferral, now)
		if at := ds.nextTime(); at > start+1001 {
			t.Errorf("next time %d is after the message's last attempt", at-start)
		} else if now = at; ds.next(now-1) != nil {
			t.Error("ready before its time")
		}
		ds.wake(now)
	}
	if d := ds.next(now); d != a || now != start+1001 || d.hold == 0 || now >= d.until {
		t.Errorf("at %d, until %d: not ready for the last attempt", now-start, a.until-start)
	}
}

// TestForgotten: what nobody uses and nothing is known about goes at once, the rest
// after some hours or when it is too much.
func TestForgotten(t *testing.T) {
	ds := newDestinations(domainLimits{"": 1}, defaultLifetime)
	try := func(domain string, letter byte, now int64) {
		ds.end(ds.begin("x@"+domain, 1, now), 1, letter, now)
	}
	try("good.test", pipe.Success, 1000)
	if len(ds.all) != 0 {
		t.Error("a destination without deferrals is kept")
	}
	try("bad.test", pipe.Deferral, 1000)
	try("bad.test", pipe.Deferral, 1001)
	try("other.test", pipe.Deferral, 1000+memoryTime) // 1001 counts
	if ds.all["bad.test"] == nil {
		t.Error("forgotten too early")
	}
	try("good.test", pipe.Deferral, 1001+memoryTime)
	if ds.all["bad.test"] != nil || len(ds.all) != 2 {
		t.Error("never forgotten")
	}
	for i := range 3 * memoryMax {
		try(fmt.Sprintf("%d.test", i), pipe.Deferral, 20000)
		if i%3 == 0 {
			try("busy.test", pipe.Deferral, 20000)
		}
	}
	if n := len(ds.all); n > memoryMax || n < memoryMax/2 || len(ds.idle) > memoryMax {
		t.Errorf("%d destinations, %d noted", n, len(ds.idle))
	}
	d := ds.begin("x@used.test", 1, 20000)
	try("last.test", pipe.Deferral, 20000+2*memoryTime)
	if ds.of("@used.test") != d || len(ds.all) != 2 {
		t.Errorf("%d destinations, want the one that is used and the last", len(ds.all))
	}
}

// TestSetLimits: limits that change, come and go.
func TestSetLimits(t *testing.T) {
	ds := newDestinations(parseDomainLimits([]string{"a.test:1", "b.test:2"}), defaultLifetime)
	a := ds.begin("x@a.test", 1, 1000)
	ds.join(a, wait{since: 1, id: 5}, 1000)
	b := ds.of("@b.test")
	b.hold, b.until = 60, 1060
	if got := ds.setLimits(parseDomainLimits([]string{"a.test:2", "b.test:5"}), 1000); got != nil {
		t.Errorf("released %v", got)
	}
	if ds.next(1000) != a || b.limit != 5 || b.hold != 60 {
		t.Error("new limits do not hold, or the hold is lost")
	}
	ds.setLimits(parseDomainLimits([]string{"a.test:1", "b.test:5"}), 1000)
	if ds.next(1000) != nil {
		t.Error("ready with too many")
	}
	if got := ds.setLimits(nil, 1000); !slices.Equal(got, []string{"b.test"}) {
		t.Errorf("released %v", got)
	}
	if ds.next(1000) != a {
		t.Error("still waits though there is no limit")
	}
	a.line.pop()
	for n := range uint64(9) {
		ds.end(ds.begin("x@a.test", n, 1000), n, pipe.Deferral, 1000)
	}
	if ds.end(a, 1, pipe.Deferral, 1000); a.hold != 0 || len(ds.all) != 0 {
		t.Errorf("a destination without limit is kept: %+v", a)
	}
}
