// Package header holds the header fields that the suite writes and looks for:
// trace fields, dates, the border between header and body, the hop count. It
// does no I/O. Spec: spec/queue.md section 7, spec/local.md section 2,
// spec/smtpd.md A7, spec/inject.md.
package header

import (
	"strconv"

	"goqmail/internal/address"
)

// HopLimit is the number of Received and Delivered fields from which on a
// message counts as looping (spec/smtpd.md A7).
const HopLimit = 100

var months = [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
var weekdays = [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// A civil is a moment in UTC in calendar terms.
type civil struct {
	year, month, day, hour, min, sec, wday int // month 0 to 11, wday 0 is Sunday
}

// civilUTC turns Unix seconds into UTC calendar terms (proleptic Gregorian).
func civilUTC(t int64) civil {
	days, sec := t/86400, t%86400
	if sec < 0 {
		days, sec = days-1, sec+86400
	}
	wday := int((days%7 + 11) % 7) // 1 January 1970 was a Thursday
	// Days since 1 March 0000, in 400-year eras of 146097 days.
	d := days + 719468
	era := d / 146097
	if d < 0 {
		era = (d - 146096) / 146097
	}
	doe := d - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c := civil{year: int(yoe + era*400), month: int(mp+2) % 12, day: int(doy - (153*mp+2)/5 + 1), wday: wday}
	if c.month < 2 {
		c.year++
	}
	c.hour, c.min, c.sec = int(sec/3600), int(sec/60%60), int(sec%60)
	return c
}

// appendPadded adds n in at least width digits, with leading zeros.
func appendPadded(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for i := len(s); i < width; i++ {
		b = append(b, '0')
	}
	return append(b, s...)
}

// appendClock adds HH:MM:SS.
func (c civil) appendClock(b []byte) []byte {
	b = append(appendPadded(b, c.hour, 2), ':')
	b = append(appendPadded(b, c.min, 2), ':')
	return appendPadded(b, c.sec, 2)
}

// Date is "D Mon YYYY HH:MM:SS" in UTC: the day without leading zero, no zone.
func Date(t int64) string {
	c := civilUTC(t)
	b := append(strconv.AppendInt(nil, int64(c.day), 10), ' ')
	b = append(append(b, months[c.month]...), ' ')
	b = append(appendPadded(b, c.year, 4), ' ')
	return string(c.appendClock(b))
}

// DateZone is Date with the zone text " -0000", as in Received and Date fields.
func DateZone(t int64) string { return Date(t) + " -0000" }

// DateLocal is Date with local time that is east seconds ahead of UTC, and the
// zone text " +HHMM" or " -HHMM", as predate writes it. Seconds of the zone are
// not shown.
func DateLocal(t int64, east int) string {
	sign, minutes := byte('+'), east/60
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	b := append([]byte(Date(t+int64(east))), ' ', sign)
	b = appendPadded(b, minutes/60, 2)
	return string(appendPadded(b, minutes%60, 2))
}

// Stamp is "YYYYMMDDHHMMSS" in UTC, as in Message-ID fields.
func Stamp(t int64) string {
	c := civilUTC(t)
	b := appendPadded(nil, c.year, 4)
	for _, n := range [...]int{c.month + 1, c.day, c.hour, c.min, c.sec} {
		b = appendPadded(b, n, 2)
	}
	return string(b)
}

// Ctime is "Www Mmm DD HH:MM:SS YYYY" in UTC, the day with leading zero, as in
// From_ lines.
func Ctime(t int64) string {
	c := civilUTC(t)
	b := append([]byte(weekdays[c.wday]), ' ')
	b = append(append(b, months[c.month]...), ' ')
	b = append(appendPadded(b, c.day, 2), ' ')
	b = append(c.appendClock(b), ' ')
	return string(appendPadded(b, c.year, 4))
}

// ReceivedQueue is the line that qmail-queue puts first into every message.
// who is one of the By texts.
func ReceivedQueue(pid int, who string, t int64) string {
	return "Received: (qmail " + strconv.Itoa(pid) + " invoked " + who + "); " + DateZone(t) + "\n"
}

// Texts that say who ran qmail-queue.
const (
	ByAlias   = "by alias"
	ByNetwork = "from network"
	ByBounce  = "for bounce"
	ByUID     = "by uid " // followed by the decimal uid
)

// DeliveredTo is the line "Delivered-To: LOCAL@DOMAIN" with its LF; newlines
// inside become _. Nothing is quoted.
func DeliveredTo(recipient string) string {
	return "Delivered-To: " + noNewline(recipient) + "\n"
}

// ReturnPath is the line "Return-Path: <SENDER>" with its LF, the local part
// quoted where needed; newlines become _. A sender without @ is all local part.
func ReturnPath(sender string) string {
	if local, _, ok := address.SplitLast(sender); !ok && local != "" {
		sender = address.QuoteLocal(local)
	} else {
		sender = address.Quote(sender)
	}
	return returnPath + noNewline(sender) + ">\n"
}

// returnPath is what a Return-Path line begins with.
const returnPath = "Return-Path: <"

// ParseReturnPath is the sender in a line as ReturnPath makes it, still quoted.
// ok is false for a line that does not begin so. The line's last byte but for
// the LF is not looked at, as in qmail.
func ParseReturnPath(line []byte) (sender string, ok bool) {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	n := len(returnPath)
	switch {
	case len(line) <= n || string(line[:n]) != returnPath:
		return "", false
	case line[n] == '>':
		return "", true
	}
	return string(line[n : len(line)-1]), true
}

// FromLine is the From_ line of an mbox with its LF: blanks, tabs and newlines
// in the sender become -, an empty sender is MAILER-DAEMON.
func FromLine(sender string, t int64) string {
	b := []byte("From ")
	if sender == "" {
		b = append(b, "MAILER-DAEMON"...)
	}
	for i := 0; i < len(sender); i++ {
		switch c := sender[i]; c {
		case ' ', '\t', '\n':
			b = append(b, '-')
		default:
			b = append(b, c)
		}
	}
	return string(b) + " " + Ctime(t) + "\n"
}

// noNewline is s with each LF replaced by _.
func noNewline(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == '\n' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] == '\n' {
					b[i] = '_'
				}
			}
			return string(b)
		}
	}
	return s
}

// A HopCounter counts trace fields while a message passes byte by byte: header
// lines whose first bytes are "received" or "delivered" in any case. The header
// ends at the first empty line. Bytes are given with LF line ends; a CR before
// the LF is the caller's to remove.
type HopCounter struct {
	hops    int
	pos     int // place in the line
	isRecv  bool
	isDeliv bool
	inBody  bool
}

const (
	hopReceived  = "received"
	hopDelivered = "delivered"
)

// Push takes the next byte of the message.
func (h *HopCounter) Push(c byte) {
	if h.inBody {
		return
	}
	if c == '\n' {
		if h.pos == 0 {
			h.inBody = true
		}
		h.pos = 0
		return
	}
	if h.pos == 0 {
		h.isRecv, h.isDeliv = true, true
	}
	if h.pos < len(hopDelivered) {
		l := address.LowerByte(c)
		if h.pos < len(hopReceived) && l != hopReceived[h.pos] {
			h.isRecv = false
		}
		if l != hopDelivered[h.pos] {
			h.isDeliv = false
		}
		if h.isRecv && h.pos == len(hopReceived)-1 || h.isDeliv && h.pos == len(hopDelivered)-1 {
			h.hops++
		}
	}
	h.pos++
}

// InHeader tells whether the empty line has not come yet.
func (h *HopCounter) InHeader() bool { return !h.inBody }

// Looping tells whether the limit is reached.
func (h *HopCounter) Looping() bool { return h.hops >= HopLimit }
