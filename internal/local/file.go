package local

import (
	"goqmail/internal/conf"
	"goqmail/internal/dotqmail"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// A dotFile is the .qmail file of a delivery; the zero value stands for none.
type dotFile struct {
	fd          sys.FD
	name        string // "" when there is none
	forwardOnly bool
}

// findFile opens the first .qmail file that exists for the extension, and sets
// $DEFAULT. A user without any gets the default delivery; an extension without
// any does not exist.
func (d *delivery) findFile() (dotFile, error) {
	for c := range dotqmail.Candidates(d.dash, d.ext) {
		f, err := d.openFile(c.Name)
		if err != nil {
			return dotFile{}, err
		}
		if f.name != "" {
			if c.HasDefault {
				d.env.Set("DEFAULT", c.Default)
			}
			return f, nil
		}
	}
	if d.dash != "" {
		return dotFile{}, permanent("Sorry, no mailbox here by that name. (#5.1.1)")
	}
	return dotFile{}, nil
}

// openFile opens one candidate. Only what may be there but cannot be read now
// defers the delivery; whatever else is wrong with the name, the next is tried.
func (d *delivery) openFile(name string) (dotFile, error) {
	fd, err := d.dir.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		if sys.Temporary(err) || sys.IsAccess(err) || sys.IsPerm(err) {
			return dotFile{}, unableToOpen(name, err)
		}
		return dotFile{}, nil
	}
	st, err := fd.Stat()
	switch {
	case err != nil:
		err = unableToOpen(name, err)
	case !st.IsRegular():
	case st.Mode&conf.Patrn() != 0:
		err = temporary("Uh-oh: .qmail file is writable. (#4.7.0)")
	default:
		return dotFile{fd, name, st.Mode&dotqmail.ModeForwardOnly != 0}, nil
	}
	_ = fd.Close() // opened for reading
	return dotFile{}, err
}

func unableToOpen(name string, err error) error {
	return temporary("Unable to open " + name + ": " + sys.ErrText(err) + ". (#4.3.0)")
}

// close gives the file back unread.
func (f dotFile) close() {
	if f.name != "" {
		_ = f.fd.Close() // opened for reading
	}
}

// read returns the whole content before any of it is acted on, so that a user
// who edits the file meanwhile does no harm. Without a file it is empty.
func (f dotFile) read() (text []byte, forwardOnly bool, err error) {
	if f.name == "" {
		return nil, false, nil
	}
	text, err = f.fd.ReadAll(maxFile)
	f.close()
	if err != nil {
		return nil, false, temporary("Unable to read " + f.name + ": " + sys.ErrText(err) + ". (#4.3.0)")
	}
	return text, f.forwardOnly, nil
}

// chooseSender finds the sender of forwards, $NEWSENDER: the sender, or, if the
// owner files ask for it, the owner's address. What bounced must not come back to
// an owner, so the empty sender and that of double bounces stay.
func (d *delivery) chooseSender() error {
	d.newSender = d.sender
	if d.sender != "" && d.sender != queue.SenderDoubleBounce {
		owner, err := d.exists(dotqmail.OwnerName(d.dash, d.ext))
		if err != nil {
			return err
		}
		if owner {
			verp, err := d.exists(dotqmail.OwnerDefaultName(d.dash, d.ext))
			if err != nil {
				return err
			}
			d.newSender = dotqmail.OwnerSender(d.local, d.domain, verp)
		}
	}
	d.env.Set("NEWSENDER", d.newSender)
	return nil
}

// exists tells whether a name in the home directory exists. What cannot be
// looked at for good counts as absent.
func (d *delivery) exists(name string) (bool, error) {
	_, err := d.dir.Stat(name)
	if err != nil && sys.Temporary(err) {
		return false, unableToOpen(name, err)
	}
	return err == nil, nil
}
