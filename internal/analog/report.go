package analog

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/matchlog"
	"goqmail/internal/tai64n"
)

// A report is a table with one line for each key, in the order of rising delay.
// Title, column names, the order of columns and of lines, and the form of
// numbers are those of qmailanalog 0.70, which scripts rely on; the explanation
// between title and table is ours. Lines with the same delay are sorted by key.
type report struct {
	title   string
	explain string
	columns []string // the last one names the key
	digits  int      // of delays, after the point

	// delivery and message add a line to the sums of its key.
	delivery deliveryFunc
	message  messageFunc

	delay int                   // which column is the delay; the n before it are sums.n
	value func(s *sums) float64 // the delay column; nil: the sum of delays
	order func(s *sums) []byte  // what to sort by; nil: the sum of delays
	show  func(key string) string
}

// An adder gives the sums of a key, to be added to: tally.at.
type adder func(key []byte) (*sums, error)

// What a report does with a line.
type (
	deliveryFunc func(d matchlog.Delivery, at adder) error
	messageFunc  func(m matchlog.Message, at adder) error
)

// The explanations. They are for people; no line begins like a column name.
const (
	explainReason = `Each line is for one reason:
* del: deliveries that ended with it
* xdelay: their xdelay together, in seconds
`
	explainTo = `Each line is for one %:
* sbytes: bytes that arrived there
* mess: messages that were accepted or refused there for good
* tries: delivery attempts, put off ones too
* xdelay: what these took together, in seconds
`
	explainFrom = `Each line is for one %:
* mess: messages that have left the queue
* bytes: their sizes together
* sbytes: the same, each as often as it arrived at a recipient
* rbytes: the same, each as often as it had recipients
* recips: their recipients, successes and failures
* tries: delivery attempts for them, deferrals too
* xdelay: what all attempts took together, in seconds
`
	explainRx = `Each line is for one recipient, quick ones first:
* avg: xdelay of one attempt, in seconds, on the average
* tries: how many attempts that is the average of
`
)

// reports are all tables but that of zddist.
func reports() map[string]*report {
	explain := func(text, word string) string { return strings.Replace(text, "%", word, 1) }
	reason := func(title string, r matchlog.Result) *report {
		return &report{title: title, explain: explainReason, columns: []string{"del", "xdelay", "reason"}, digits: 2, delay: 1,
			delivery: byReason(r), show: func(key string) string { return strings.ReplaceAll(key, "_", " ") }}
	}
	to := []string{"sbytes", "mess", "tries", "xdelay"}
	from := []string{"mess", "bytes", "sbytes", "rbytes", "recips", "tries", "xdelay"}
	recipient := func(d matchlog.Delivery) []byte { return d.Recipient }
	return map[string]*report{
		"zdeferrals": reason("Reasons for deferral", matchlog.Deferral),
		"zfailures":  reason("Reasons for failure", matchlog.Failure),
		"zsuccesses": reason("Reasons for success", matchlog.Success),
		"zrecipients": {title: "Recipients", explain: explain(explainTo, "recipient"),
			columns: append(to[:4:4], "recipient"), digits: 2, delay: 3, delivery: byRecipient(recipient)},
		"zrhosts": {title: "Recipient hosts", explain: explain(explainTo, "recipient host"),
			columns: append(to[:4:4], "host"), digits: 2, delay: 3, delivery: byRecipient(host)},
		"zrxdelay": {title: "Recipients in the best order for mailing lists", explain: explainRx,
			columns: []string{"avg", "tries", "recipient"}, digits: 2, delay: 0, delivery: byRecipient(recipient), value: average, order: byAverage},
		"zsenders": {title: "Senders", explain: explain(explainFrom, "sender"),
			columns: append(from[:7:7], "sender"), digits: 6, delay: 6,
			message:  byMessage(func(m matchlog.Message) []byte { return m.Sender }),
			delivery: addDelay(func(d matchlog.Delivery) []byte { return d.Sender })},
		"zsuids": {title: "Sender uids", explain: explain(explainFrom, "uid that sent mail"),
			columns: append(from[:7:7], "uid"), digits: 6, delay: 6,
			message:  byMessage(func(m matchlog.Message) []byte { return m.UID }),
			delivery: addDelay(func(d matchlog.Delivery) []byte { return d.UID })},
	}
}

// byReason counts deliveries with one result.
func byReason(r matchlog.Result) deliveryFunc {
	return func(d matchlog.Delivery, at adder) error {
		if d.Result != r {
			return nil
		}
		s, err := at(d.Reason)
		if err != nil {
			return err
		}
		s.n[0]++
		s.delay = s.delay.Plus(d.Done.Since(d.Start))
		return nil
	}
}

// Columns of byRecipient.
const (
	toBytes = iota
	toMess
	toTries
)

// byRecipient adds up deliveries under a key made of the recipient.
func byRecipient(key func(matchlog.Delivery) []byte) deliveryFunc {
	return func(d matchlog.Delivery, at adder) error {
		s, err := at(key(d))
		if err != nil {
			return err
		}
		s.n[toTries]++
		if d.Result != matchlog.Deferral {
			s.n[toMess]++
		}
		if d.Result == matchlog.Success {
			s.n[toBytes] += float64(d.Bytes)
		}
		s.delay = s.delay.Plus(d.Done.Since(d.Start))
		return nil
	}
}

// host is what follows the recipient's last @; without one, all of it, the
// channel included.
func host(d matchlog.Delivery) []byte {
	return d.Recipient[address.LastIndex(string(d.Recipient), '@')+1:]
}

// byMessage adds up messages under a key.
func byMessage(key func(matchlog.Message) []byte) messageFunc {
	return func(m matchlog.Message, at adder) error {
		s, err := at(key(m))
		if err != nil {
			return err
		}
		size, good, ended := float64(m.Bytes), float64(m.Success), float64(m.Success)+float64(m.Failure)
		for i, v := range [columns]float64{1, size, size * good, size * ended, ended, ended + float64(m.Deferral)} {
			s.n[i] += v
		}
		return nil
	}
}

// addDelay adds the delay of deliveries to the key of their messages. A key
// without any message that has left the queue has no line.
func addDelay(key func(matchlog.Delivery) []byte) deliveryFunc {
	return func(d matchlog.Delivery, at adder) error {
		s, err := at(key(d))
		if err == nil {
			s.delay = s.delay.Plus(d.Done.Since(d.Start))
		}
		return err
	}
}

// average is for zrxdelay.
func average(s *sums) float64 { return s.delay.Seconds() / s.n[toTries] }

// byAverage sorts by average.
func byAverage(s *sums) []byte {
	bits := math.Float64bits(average(s))
	if bits>>63 == 0 { // the bits of negative numbers fall as the numbers rise
		bits |= 1 << 63
	} else {
		bits = ^bits
	}
	return binary.BigEndian.AppendUint64(nil, bits)
}

// byDelay sorts by delay, negative ones first.
func byDelay(d tai64n.Span) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(d.Sec)^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(d.Nano))
}

// write makes the report: sums under each key; these in the order of delays, and
// how wide each column is; the lines.
func (rep *report) write(r *run, _ string) error {
	spill1, spill2 := newSpill(r.p), newSpill(r.p)
	defer spill1.close()
	defer spill2.close()
	byKey, sorted := newTally(r.size, spill1), newTally(r.size, spill2)
	if err := r.read(rep.delivery, rep.message, byKey.at); err != nil {
		return err
	}
	t := newTable(rep.columns)
	at := 0 // where the key begins behind what is sorted by
	err := byKey.each(func(key []byte, s *sums) error {
		if rep.message != nil && s.n[0] == 0 {
			return nil
		}
		var order []byte
		if rep.order != nil {
			order = rep.order(s)
		} else {
			order = byDelay(s.delay)
		}
		at = len(order)
		t.measure(rep.cells(string(key), s))
		to, err := sorted.at(append(order, key...))
		if err == nil {
			*to = *s
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.text(rep.title + "\n\n" + rep.explain + "\n" + t.line(rep.columns)); err != nil {
		return err
	}
	return sorted.each(func(key []byte, s *sums) error { return r.text(t.line(rep.cells(string(key[at:]), s))) })
}

// cells are the texts of one line.
func (rep *report) cells(key string, s *sums) []string {
	out := make([]string, 0, len(rep.columns))
	delay := s.delay.Seconds()
	from := 0
	if rep.value != nil {
		delay = rep.value(s)
		from = toTries // zrxdelay has only this one of the numbers
	}
	for i := range rep.columns[:len(rep.columns)-1] {
		if i == rep.delay {
			out = append(out, strconv.FormatFloat(delay, 'f', rep.digits, 64))
			continue
		}
		out = append(out, whole(s.n[from]))
		from++
	}
	if rep.show != nil {
		key = rep.show(key)
	}
	return append(out, key)
}

// whole is a number without digits after the point.
func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// text writes output.
func (r *run) text(s string) error {
	_, err := r.out.WriteString(s)
	return fail("unable to write output", err)
}

// read calls the functions with all deliveries and messages of the input; either
// may be nil. Other lines are passed over; those among them that should be
// deliveries or messages are counted.
func (r *run) read(delivery deliveryFunc, message messageFunc, at adder) error {
	return r.in.each(func(line []byte) error {
		switch kind(line) {
		case 'd':
			d, ok := matchlog.ParseDelivery(line)
			if !ok {
				r.bad++
			} else if delivery != nil {
				return delivery(d, at)
			}
		case 'm':
			m, ok := matchlog.ParseMessage(line)
			if !ok {
				r.bad++
			} else if message != nil {
				return message(m, at)
			}
		}
		return nil
	}, func(p piece) error {
		if p.first && kind(p.text) != 0 {
			r.bad++
		}
		return nil
	})
}

// kind is d or m for lines that begin like a delivery's or a message's, or 0.
func kind(line []byte) byte {
	if len(line) > 1 && (line[0] == 'd' || line[0] == 'm') && (line[1] == ' ' || line[1] == '\t') {
		return line[0]
	}
	return 0
}
