package send

import (
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// keep flushes a file and closes it.
func (s *server) keep(o *output) error {
	err := s.fsync(o.fd)
	if cerr := o.close(); err == nil {
		err = cerr
	}
	return err
}

// outputChunk is how many bytes of recipients are gathered before a write.
const outputChunk = 32 << 10

// An output is a new file of the queue that is being written. The nil output
// can be closed.
type output struct {
	kind queue.Kind
	id   queue.ID
	fd   sys.FD // -1 when closed
	buf  []byte
}

// create makes a file that must not be there.
func (s *server) create(k queue.Kind, id queue.ID) *output {
	path := k.Path(id)
	fd, err := s.queue.Open(path, sys.WriteOnly|sys.Create|sys.Exclusive, queue.ModeSendFile)
	if err != nil {
		s.log.notice(sendlog.CannotCreate, path)
		return nil
	}
	return &output{kind: k, id: id, fd: fd}
}

func (o *output) add(r queue.Record) { o.buf = queue.AppendRecord(o.buf, r.Letter, r.Text) }

// write writes what add gathered.
func (o *output) write() error {
	_, err := o.fd.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

func (o *output) close() error {
	if o == nil || o.fd < 0 {
		return nil
	}
	err := o.fd.Close()
	o.fd = -1
	return err
}

// written passes the result of a write on and warns when it failed.
func (s *server) written(o *output, err error) bool {
	if err != nil {
		s.log.notice(sendlog.TroubleWriting, o.kind.Path(o.id))
	}
	return err == nil
}
