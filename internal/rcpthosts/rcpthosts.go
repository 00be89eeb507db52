// Package rcpthosts decides which recipients the network servers take from
// anybody: the hosts listed in control/rcpthosts and in
// control/morercpthosts.cdb, which qmail-newmrh makes of control/morercpthosts.
// Who may send to everyone else (RELAYCLIENT) is the server's business.
//
// The keys of morercpthosts.cdb are lines of the list in lower case, the data is
// empty. Spec: spec/smtpd.md A6, spec/control.md section 2.
package rcpthosts

import (
	"goqmail/internal/address"
	"goqmail/internal/cdb"
	"goqmail/internal/control"
	"goqmail/internal/sys"
)

// Names of the files below control/.
const (
	File     = "rcpthosts"
	MoreFile = "morercpthosts"
	MoreCDB  = "morercpthosts.cdb"
	MoreTmp  = "morercpthosts.tmp" // qmail-newmrh writes here first
)

// Hosts is what the files said when they were opened.
type Hosts struct {
	all     bool // no rcpthosts: everyone's mail is taken
	hosts   control.Map
	more    *cdb.CDB // nil without morercpthosts.cdb
	moreErr error    // what is wrong with morercpthosts.cdb
	fd      sys.FD
}

// Open reads rcpthosts and opens morercpthosts.cdb; the latter counts only when
// the former exists. The error means that a file is there but cannot be read.
// As in C, a morercpthosts.cdb that is no database is no error yet: Match tells
// it to those who need the file.
func Open(c *control.Reader) (*Hosts, error) {
	h := &Hosts{fd: -1}
	lines, ok, err := c.List(File)
	if err != nil {
		return nil, err
	}
	if h.all = !ok; h.all {
		return h, nil
	}
	h.hosts = control.NewMap(lines)
	fd, err := c.Dir().Open(MoreCDB, sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	h.fd = fd
	st, err := fd.Stat()
	if err == nil {
		h.more, err = cdb.New(fd, st.Size)
	}
	h.moreErr = err
	return h, nil
}

// Close gives morercpthosts.cdb back.
func (h *Hosts) Close() {
	if h.fd >= 0 {
		_ = h.fd.Close() // read only
		h.fd = -1
	}
}

// Match tells whether a recipient is one of ours: rcpthosts does not exist, or
// addr has no @, or what follows its last @ is listed, or one of the suffixes
// of that which begin with a dot. All are looked up in rcpthosts, then all in
// morercpthosts.cdb, longest first, ASCII case aside. The error is one of
// reading morercpthosts.cdb: whether it is ours is not known then.
func (h *Hosts) Match(addr string) (bool, error) {
	if h.all {
		return true, nil
	}
	_, host, ok := address.SplitLast(addr)
	if !ok {
		return true, nil
	}
	if host == "" {
		return false, nil
	}
	host = address.Lower(host)
	found := false
	address.Suffixes(host, func(s string) bool {
		found = h.hosts.Has(s)
		return !found
	})
	if found || h.fd < 0 {
		return found, nil
	}
	err := h.moreErr
	if err != nil {
		return false, err
	}
	address.Suffixes(host, func(s string) bool {
		_, found, err = h.more.Get([]byte(s))
		return !found && err == nil
	})
	return found && err == nil, err
}
