package pipe

import "errors"

// CommandMax is how many bytes a CommandDecoder keeps of each string of a
// delivery command. qmail-send's longest are a few thousand: addresses of the
// queue have at most 1002 bytes, and virtualdomains and VERP add to that.
const CommandMax = 1 << 20

// ErrTooLong is returned for a delivery command with a string of more than
// CommandMax bytes. All of it has been read; the next byte begins another.
var ErrTooLong = errors.New("delivery command too long")

// A CommandDecoder collects delivery commands from the bytes of a command pipe,
// which may come in any pieces, from whoever is at the other end: it never needs
// more memory than three strings of CommandMax bytes. The zero value is ready for
// the one-byte protocol; Wide may be set between two commands.
type CommandDecoder struct {
	Wide    bool
	cmd     DeliveryCommand
	begun   int // bytes of the number that have come
	strings int // complete ones
	buf     []byte
	tooLong bool
}

// Push takes the next byte; done says that it completed a command. The error,
// which comes only with done, is ErrTooLong; of the command only Delnum is of
// use then.
func (d *CommandDecoder) Push(b byte) (c DeliveryCommand, done bool, err error) {
	if d.begun == 0 {
		*d = CommandDecoder{Wide: d.Wide, buf: d.buf[:0]}
	}
	if d.begun < numberBytes(d.Wide) {
		d.cmd.Delnum = d.cmd.Delnum<<8 | uint32(b)
		d.begun++
		return c, false, nil
	}
	if b != 0 {
		if len(d.buf) < CommandMax {
			d.buf = append(d.buf, b)
		} else {
			d.tooLong = true
		}
		return c, false, nil
	}
	*[...]*string{&d.cmd.Mess, &d.cmd.Sender, &d.cmd.Recipient}[d.strings] = string(d.buf)
	d.buf = d.buf[:0]
	if d.strings++; d.strings < 3 {
		return c, false, nil
	}
	d.begun = 0
	if d.tooLong {
		d.buf = nil // give the memory back
		return DeliveryCommand{Delnum: d.cmd.Delnum}, true, ErrTooLong
	}
	c, d.cmd = d.cmd, DeliveryCommand{}
	return c, true, nil
}
