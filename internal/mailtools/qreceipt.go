package mailtools

import (
	"bufio"
	"io"

	"goqmail/internal/address"
	"goqmail/internal/header"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/token822"
)

const qreceiptFatal = "qreceipt: fatal: "

// Qreceipt is qreceipt, for .qmail files: if a Notice-Requested-Upon-Delivery-To
// field of the message on descriptor 0 lists the address in its argument, it
// queues a receipt for $SENDER. The address must be there byte for byte, once
// its quotes are gone. Bounces get no receipt. Spec: spec/local.md section 12.
func Qreceipt(p *prog.Process) int {
	sender, ok := p.Env.Get("SENDER")
	if !ok || len(p.Args) < 2 {
		return p.Die(exitPermanent, "qreceipt: usage: qreceipt deliveryaddress")
	}
	r := request{address: p.Args[1]}
	switch err := eachField(p.FD(0), r.field); {
	case r.wrong != nil:
		p.Say(2, qreceiptFatal, "unable to parse this: ", string(r.wrong)) // ends in LF
		return exitPermanent
	case err != nil:
		return p.Die(exitTemporary, qreceiptFatal, "read error")
	}
	if !r.wanted || sender == "" || sender == queue.SenderDoubleBounce {
		return exitOK
	}
	return sendReceipt(p, sender, receipt(sender, r.address, r.messageID))
}

// A request is what the header of a message says about receipts.
type request struct {
	address string // where the message was delivered

	wanted    bool   // the address is asked about
	messageID []byte // the last Message-ID field, as it is; nil if there is none
	wrong     []byte // a field that is no address list; it ends the reading
}

// field takes the next field of the header, and returns io.EOF when it is not
// to be given more.
func (r *request) field(text []byte) error {
	switch header.FieldOf(text) {
	case header.FieldMessageID:
		r.messageID = append([]byte(nil), text...)
	case header.FieldNoticeRequested:
		l, err := token822.Parse(string(header.FieldBody(text)))
		if err == nil {
			_, err = l.Rewrite(func(addr token822.List) token822.List {
				r.wanted = r.wanted || addr.Address() == r.address
				return addr
			})
		}
		if err != nil {
			r.wrong = text
			return io.EOF
		}
	}
	return nil
}

// A lineReader reads lines.
type lineReader struct{ *bufio.Reader }

// next is the next line with its LF; a last line without LF gets one. At the end
// it is nil.
func (r lineReader) next() ([]byte, error) {
	line, err := r.ReadBytes('\n')
	switch {
	case err == nil:
		return line, nil
	case err != io.EOF:
		return nil, err
	case len(line) == 0:
		return nil, nil
	}
	return append(line, '\n'), nil
}

// eachField calls f with each field of the header that in begins with, until f
// returns an error.
func eachField(in io.Reader, f func(field []byte) error) error {
	var s header.Splitter
	lines := lineReader{bufio.NewReader(in)}
	for {
		line, err := lines.next()
		if err != nil {
			return err
		}
		if line == nil {
			if field := s.End(); field != nil {
				return f(field)
			}
			return nil
		}
		field, inBody := s.Line(line)
		if field != nil {
			if err := f(field); err != nil {
				return err
			}
		}
		if inBody {
			return nil
		}
	}
}

// receipt is the text of the receipt. It has no Date field.
func receipt(sender, delivered string, messageID []byte) []byte {
	to := "<" + address.Quote(sender) + ">\n"
	text := []byte("From: DELIVERY NOTICE SYSTEM " + to +
		"To: " + to +
		"Subject: success notice\n" +
		"\n" +
		"Hi! This is the qreceipt program. Your message was delivered to the\n" +
		"following address: " + delivered + ". Thanks for asking.\n")
	if messageID != nil {
		text = append(append(text, "Your "...), messageID...)
	}
	return text
}

// sendReceipt queues a receipt from the empty sender, so that it cannot bounce.
func sendReceipt(p *prog.Process, to string, text []byte) int {
	m, err := qq.Open(qq.Config{Home: p.Home, Env: p.Env.List()})
	if err != nil {
		return p.Die(exitTemporary, qreceiptFatal, "unable to fork")
	}
	_, _ = m.Write(text) // a failure shows in Close
	m.From("")
	m.To(to)
	switch res := m.Close(); {
	case res == "":
		return exitOK
	case res[0] == 'D':
		return p.Die(exitPermanent, qreceiptFatal, "permanent qmail-queue error")
	default:
		return p.Die(exitTemporary, qreceiptFatal, "temporary qmail-queue error")
	}
}
