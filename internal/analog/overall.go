package analog

import (
	"encoding/binary"
	"math"
	"strconv"

	"goqmail/internal/matchlog"
	"goqmail/internal/tai64n"
)

// explainOverall explains zoverall's words.
const explainOverall = `Basic statistics

qtime: how long a message was in the queue.
ddelay: how long a recipient waited for it, from its arrival in the queue to
the end of the delivery that was a success.
xdelay: how long one delivery attempt took.
concurrency: all xdelays together divided by the time span, that is how many
deliveries were under way at the same time.

`

// totals is what zoverall adds up.
type totals struct {
	messages, bytes, weighted, recipients, tries float64
	deliveries, success, failure                 float64
	qtime, ddelay, xdelay                        tai64n.Span
	first, last                                  tai64n.Decimal
	seen                                         bool
}

// span takes in the time from one moment to another.
func (t *totals) span(from, to tai64n.Decimal) {
	if !t.seen || from.Before(t.first) {
		t.first = from
	}
	if !t.seen || t.last.Before(to) {
		t.last = to
	}
	t.seen = true
}

func (t *totals) delivery(d matchlog.Delivery, _ adder) error {
	t.deliveries++
	t.xdelay = t.xdelay.Plus(d.Done.Since(d.Start))
	switch d.Result {
	case matchlog.Success:
		t.success++
		t.ddelay = t.ddelay.Plus(d.Done.Since(d.Birth))
	case matchlog.Failure:
		t.failure++
	}
	t.span(d.Birth, d.Done)
	return nil
}

func (t *totals) message(m matchlog.Message, _ adder) error {
	t.messages++
	t.bytes += float64(m.Bytes)
	t.weighted += float64(m.Bytes) * float64(m.Success)
	t.recipients += float64(m.Success) + float64(m.Failure)
	t.tries += float64(m.Success) + float64(m.Failure) + float64(m.Deferral)
	t.qtime = t.qtime.Plus(m.Done.Since(m.Birth))
	t.span(m.Birth, m.Done)
	return nil
}

// overall is zoverall. Its lines, and which are left out when there is nothing to
// tell, are those of qmailanalog 0.70.
func overall(r *run, _ string) error {
	var t totals
	if err := r.read(t.delivery, t.message, nil); err != nil {
		return err
	}
	say := func(label, value string) error { return r.text(label + ": " + value + "\n") }
	six := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
	type line struct {
		label, value string
		shown        bool
	}
	msgs, dels := t.messages > 0, t.deliveries > 0
	seconds := t.last.Since(t.first).Seconds()
	lines := []line{
		{"Completed messages", whole(t.messages), true},
		{"Recipients for completed messages", whole(t.recipients), msgs},
		{"Total delivery attempts for completed messages", whole(t.tries), msgs},
		{"Average delivery attempts per completed message", general(t.tries / t.messages), msgs},
		{"Bytes in completed messages", whole(t.bytes), msgs},
		{"Bytes weighted by success", whole(t.weighted), msgs},
		{"Average message qtime (s)", general(t.qtime.Seconds() / t.messages), msgs},
		{}, // an empty line
		{"Total delivery attempts", whole(t.deliveries), true},
		{"  success", whole(t.success), dels},
		{"  failure", whole(t.failure), dels},
		{"  deferral", whole(t.deliveries - t.success - t.failure), dels},
		{"Total ddelay (s)", six(t.ddelay.Seconds()), dels},
		{"Average ddelay per success (s)", six(t.ddelay.Seconds() / t.success), dels && t.success > 0},
		{"Total xdelay (s)", six(t.xdelay.Seconds()), dels},
		{"Average xdelay per delivery attempt (s)", six(t.xdelay.Seconds() / t.deliveries), dels},
		{"Time span (days)", general(seconds / (24 * 60 * 60)), dels && seconds > 0},
		{"Average concurrency", general(t.xdelay.Seconds() / seconds), dels && seconds > 0},
	}
	if err := r.text(explainOverall); err != nil {
		return err
	}
	for _, l := range lines {
		var err error
		switch {
		case l.label == "":
			err = r.text("\n")
		case l.shown:
			err = say(l.label, l.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// general is a number as awk prints it: whole if it is, else with six digits
// that count.
func general(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return whole(v)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// explainDist explains zddist's columns.
const explainDist = `Distribution of ddelays for successful deliveries

Each line: pct percent of the successful deliveries were done within doneby
seconds; the average ddelay of these was avg seconds.

`

// lowestPct is the first percentage that zddist shows.
const lowestPct = 10

// ddist is zddist: for every whole percentage from 10 on at which the sorted
// ddelays go on to a larger value, that value and the average so far.
func ddist(r *run, _ string) error {
	file := newSpill(r.p)
	defer file.close()
	delays, all := newTally(r.size, file), 0.0
	err := r.read(func(d matchlog.Delivery, at adder) error {
		if d.Result != matchlog.Success {
			return nil
		}
		all++
		s, err := at(byDelay(d.Done.Since(d.Birth)))
		if err == nil {
			s.n[0]++
		}
		return err
	}, nil, delays.at)
	if err != nil {
		return err
	}
	heading := []string{"doneby", "avg", "pct"}
	t := newTable(heading)
	var rows [][]string // 91 at most
	last, n, total := -1, 0.0, tai64n.Span{}
	var doneBy tai64n.Span // the smallest ddelay that reaches last percent
	row := func() {
		if last >= lowestPct {
			two := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
			rows = append(rows, []string{two(doneBy.Seconds()), two(total.Seconds() / n), count(last)})
			t.measure(rows[len(rows)-1])
		}
	}
	err = delays.each(func(key []byte, s *sums) error {
		d := delayOf(key)
		if pct := int((n + s.n[0]) * 100 / all); pct != last {
			row()
			last, doneBy = pct, d
		}
		n += s.n[0]
		total = total.Plus(d.Times(int64(s.n[0])))
		return nil
	})
	if err != nil {
		return err
	}
	row()
	if err := r.text(explainDist + t.line(heading)); err != nil {
		return err
	}
	for _, cells := range rows {
		if err := r.text(t.line(cells)); err != nil {
			return err
		}
	}
	return nil
}

// delayOf is the opposite of byDelay.
func delayOf(b []byte) tai64n.Span {
	return tai64n.Span{Sec: int64(binary.BigEndian.Uint64(b) ^ 1<<63), Nano: int64(binary.BigEndian.Uint32(b[8:]))}
}
