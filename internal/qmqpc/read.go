package qmqpc

import (
	"bufio"
	"io"

	"goqmail/internal/netstring"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// chunkSize is how much of a message is kept in one piece, in bytes.
const chunkSize = 256 << 10

// A mail is one message with its envelope, in memory: QMQP says the size first.
type mail struct {
	chunks    [][]byte // the message
	size      uint64   // of the message
	addresses []byte   // sender and recipients as netstrings
}

// readMail reads the message to its end, then the envelope. code is not
// queue.ExitOK when that fails.
func readMail(message, envelope sys.FD) (m *mail, code int) {
	if message.WasClosed() {
		return nil, queue.ExitRead // no message is not an empty one
	}
	m = &mail{}
	if code := m.readMessage(message, netstring.MaxLength); code != queue.ExitOK {
		return nil, code
	}
	if envelope.WasClosed() {
		return nil, queue.ExitRead
	}
	return m, m.readEnvelope(envelope)
}

// readMessage reads up to max bytes; no server takes more.
func (m *mail) readMessage(r io.Reader, max uint64) (code int) {
	size := chunkSize / 64 // most messages are small
	for {
		buf := make([]byte, size)
		n, err := io.ReadFull(r, buf)
		m.chunks = append(m.chunks, buf[:n])
		m.size += uint64(n)
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return queue.ExitOK
		case err != nil:
			return queue.ExitRead
		case m.size > max:
			return queue.ExitMemory
		}
		size = chunkSize
	}
}

// readEnvelope reads a sender record, recipient records and the NUL behind them;
// what follows is not looked at.
func (m *mail) readEnvelope(r io.Reader) (code int) {
	in := bufio.NewReader(r)
	for want := byte(queue.LetterSender); ; want = queue.LetterRecipient {
		letter, err := in.ReadByte()
		switch {
		case err == io.EOF:
			return queue.ExitLetter
		case err != nil:
			return queue.ExitRead
		case letter == 0 && want == queue.LetterRecipient:
			return queue.ExitOK
		case letter != want:
			return queue.ExitLetter
		}
		addr, err := in.ReadString(0)
		switch {
		case err == io.EOF:
			return queue.ExitLetter
		case err != nil:
			return queue.ExitRead
		}
		m.addresses = netstring.Append(m.addresses, addr[:len(addr)-1])
		if m.total() > netstring.MaxLength {
			return queue.ExitMemory
		}
	}
}

// total is the size of what is in the outer netstring.
func (m *mail) total() uint64 { return netstring.Size(m.size) + uint64(len(m.addresses)) }

// send writes the whole conversation of the client.
func (m *mail) send(conn io.Writer) error {
	w := bufio.NewWriterSize(conn, chunkSize)
	w.Write(netstring.AppendLength(netstring.AppendLength(nil, m.total()), m.size))
	for _, c := range m.chunks {
		w.Write(c)
	}
	w.WriteByte(netstring.Comma)
	w.Write(m.addresses)
	w.WriteByte(netstring.Comma)
	return w.Flush() // has the first error of all
}
