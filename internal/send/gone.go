package send

import (
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// forgotten tells whether id is a message that has ended, of which something is
// left. The files of a message are in several directories, and local/N, bounce/N
// and info/N are not flushed out of theirs before mess/N goes. Some file systems
// (btrfs) keep no order between directories: a loss of power can bring them back
// without mess/N. There is nothing to deliver then; the message would wait for
// ever.
//
// What is left is ignored, and removed when it has been there for as long as
// other rubbish: an administrator may be putting a queue back part by part.
//
//	E0: info/N, any of local/N remote/N bounce/N, and no mess/N
//	    a crash here: found again at the start, as info/N goes last
//	E3: nothing
//
// The number may be used for a new message by now. The caller sees to it that
// nobody preprocesses that meanwhile, which would make an info/N of its own; and
// where there is a todo/N the message is not the caller's.
func (s *server) forgotten(id queue.ID) bool {
	st, err := s.queue.Stat(queue.Info.Path(id))
	if err != nil {
		return false
	}
	for _, k := range [...]queue.Kind{queue.Mess, queue.Todo} {
		if ok, err := s.exists(k.Path(id)); ok || err != nil {
			return ok && k == queue.Todo // err: it cannot be known, and shows again
		}
	}
	s.log.notice(sendlog.MessGone, queue.Mess.Path(id))
	if s.clock() <= st.Ctime+queue.Ossified {
		return true
	}
	for _, k := range [...]queue.Kind{queue.Local, queue.Remote, queue.Bounce, queue.Info} {
		path := k.Path(id)
		if err := s.queue.Unlink(path); err != nil && !sys.IsNotExist(err) {
			s.log.notice(sendlog.CannotUnlink, path)
			break // the next start tries again
		}
	}
	return true
}
