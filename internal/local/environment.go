package local

import (
	"bufio"
	"io"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/header"
	"goqmail/internal/sys"
)

// A trace is the three lines made for a delivery, each with its LF.
type trace struct {
	deliveredTo string // DTLINE
	returnPath  string // RPLINE
	from        string // UFLINE
}

// setEnvironment adds what programs are told about the delivery. Nothing of the
// inherited environment is removed here. NEWSENDER and DEFAULT come later.
func (d *delivery) setEnvironment(now int64) trace {
	recipient := d.local + "@" + d.domain
	t := trace{header.DeliveredTo(recipient), header.ReturnPath(d.sender), header.FromLine(d.sender, now)}
	for _, v := range [...]struct{ name, value string }{
		{"HOST", d.domain}, {"HOME", d.home}, {"USER", d.user}, {"LOCAL", d.local}, {"RECIPIENT", recipient},
		{"SENDER", d.sender}, {"DTLINE", t.deliveredTo}, {"RPLINE", t.returnPath}, {"UFLINE", t.from}, {"EXT", d.ext},
	} {
		d.env.Set(v.name, v.value)
	}
	host, ext := d.domain, d.ext
	for _, n := range [...]string{"2", "3", "4"} {
		// HOST2 to HOST4 lose a label each, as long as there is a dot.
		if i := address.LastIndex(host, '.'); i >= 0 {
			host = host[:i]
		}
		// EXT2 to EXT4 begin after one more dash, or are empty.
		_, ext, _ = strings.Cut(ext, "-")
		d.env.Set("HOST"+n, host)
		d.env.Set("EXT"+n, ext)
	}
	return t
}

// errRewind is the error of a message that is no file.
var errRewind = temporary("Unable to rewind message. (#4.3.0)")

// rewind puts the message back to its start.
func (d *delivery) rewind() error {
	if _, err := d.msg.Seek(0, io.SeekStart); err != nil {
		return errRewind
	}
	return nil
}

// headerChunk is how much of a header, in bytes, is read at once.
const headerChunk = 4 << 10

// checkLoop looks for our own Delivered-To line in the header, which ends at
// the first empty line.
func (d *delivery) checkLoop() error {
	if d.msg.WasClosed() {
		return errRewind // no message, which is not an empty one
	}
	if err := d.rewind(); err != nil {
		return err
	}
	own := d.lines.deliveredTo
	in := bufio.NewReaderSize(d.msg, max(headerChunk, len(own)+1))
	atStart := true // of a line
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull: // longer than our line: no match
			atStart = false
			continue
		case err == io.EOF: // a line without LF is not compared
			return nil
		case err != nil:
			return temporary("Unable to read message: " + sys.ErrText(err) + ". (#4.3.0)")
		case atStart && len(line) <= 1:
			return nil
		case atStart && string(line) == own:
			return permanent("This message is looping: it already has my Delivered-To line. (#5.4.6)")
		}
		atStart = true
	}
}
