package analog

import (
	"bytes"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/matchlog"
	"goqmail/internal/sendlog"
)

// Numbers of fields, from 0, of the two kinds of lines.
const (
	dSender    = 6
	dRecipient = 7
	dQP        = 8
	mSender    = 7
	mQP        = 8
	none       = -1 // this kind has no such field
)

// xqp copies the lines of messages with one QP.
func xqp(r *run, arg string) error { return r.filter(arg, dQP, mQP) }

// xrecipient copies the deliveries to one recipient.
func xrecipient(r *run, arg string) error { return r.filter(arg, dRecipient, none) }

// xsender copies the lines of messages from one sender; without an argument, from
// the empty one: bounces.
func xsender(r *run, arg string) error { return r.filter("<"+arg+">", dSender, mSender) }

// filter copies the lines that have value, in whatever case, in the field for
// their kind.
func (r *run) filter(value string, delivery, message int) error {
	return r.in.each(func(line []byte) error {
		n := delivery
		if kind(line) == 'm' {
			n = message
		}
		var room [mQP + 1][]byte
		f := sendlog.Fields(line, room[:])
		if kind(line) == 0 || n >= len(f) || n == none || !address.EqualFold(string(f[n]), value) {
			return nil
		}
		_, err := r.out.Write(append(line[:len(line):len(line)], '\n'))
		return fail("unable to write output", err)
	}, func(piece) error { return nil })
}

// sendmail is zsendmail: it makes lines like those in the log of sendmail; what is
// neither a delivery nor a message is copied. Stamps stay at the beginning, so
// that the lines can be sorted by time.
func sendmail(r *run, _ string) error {
	var b []byte
	return r.in.each(func(line []byte) error {
		b = append(append(b[:0], line...), '\n')
		switch kind(line) {
		case 'd':
			if d, ok := matchlog.ParseDelivery(line); ok {
				b = sentLine(b[:0], d)
			}
		case 'm':
			if m, ok := matchlog.ParseMessage(line); ok {
				b = fromLine(b[:0], m)
			}
		}
		_, err := r.out.Write(b)
		return fail("unable to write output", err)
	}, func(p piece) error {
		b = append(b[:0], p.text...)
		if p.last {
			b = append(b, '\n')
		}
		_, err := r.out.Write(b)
		return fail("unable to write output", err)
	})
}

// A list is "NAME=VALUE, NAME=VALUE".
type list struct{ bytes.Buffer }

func (l *list) add(name string, value ...[]byte) {
	l.WriteString(" " + name + "=")
	for _, v := range value {
		l.Write(v)
	}
	l.WriteByte(',')
}

func seconds(v float64) []byte { return strconv.AppendFloat(nil, v, 'f', 6, 64) }

func sentLine(b []byte, d matchlog.Delivery) []byte {
	stat := map[matchlog.Result]string{matchlog.Success: "Sent", matchlog.Failure: "Failed", matchlog.Deferral: "Deferred"}[d.Result]
	var l list
	l.add("to", d.Recipient)
	l.add("uid", d.UID)
	l.add("ddelay", seconds(d.Done.Since(d.Birth).Seconds()))
	l.add("xdelay", seconds(d.Done.Since(d.Start).Seconds()))
	l.add("stat", []byte(stat+" ("), d.Reason, []byte(")"))
	return l.finish(d.Done.Append(b), d.QP)
}

func fromLine(b []byte, m matchlog.Message) []byte {
	var l list
	l.add("from", m.Sender)
	l.add("uid", m.UID)
	l.add("size", strconv.AppendUint(nil, m.Bytes, 10))
	l.add("nrcpts", strconv.AppendUint(nil, m.Success+m.Failure, 10))
	l.add("deferrals", strconv.AppendUint(nil, m.Deferral, 10))
	l.add("qtime", seconds(m.Done.Since(m.Birth).Seconds()))
	return l.finish(m.Done.Append(b), m.QP)
}

// finish makes "STAMP qp QP:", the list and an LF.
func (l *list) finish(b, qp []byte) []byte {
	b = append(append(b, " qp "...), qp...)
	b = append(append(b, ':'), bytes.TrimSuffix(l.Bytes(), []byte(","))...)
	return append(b, '\n')
}
