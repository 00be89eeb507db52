package fastforward

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/cdb"
	"goqmail/internal/forwarddb"
	"goqmail/internal/sys"
)

// Limits of one expansion. A list may belong to another user than the one
// fastforward runs as; so none may make it take the machine's memory.
const (
	maxList     = 64 << 20 // bytes of one mailing list
	maxCommands = 1 << 20  // commands and entries in all
	maxBytes    = 256 << 20
)

// A textError is an error that is no system call's.
type textError string

func (e textError) Error() string { return string(e) }

// Texts for what is not in its format.
const (
	errList = textError("bad mailing list format")
	errData = textError("bad database format")
	errFile = textError("not a file")
	errCDB  = textError("input/output error") // as C says of a cdb file that is none
)

// errTooMany is the fault of an expansion that is larger than any list should be.
var errTooMany = temporary("more than " + strconv.Itoa(maxCommands) + " addresses")

// unreadable is the fault of a database or list that cannot be read.
func unreadable(name string, err error) error {
	return temporary("unable to read " + name + ": " + errText(err))
}

// A database is an open forwarding database.
type database struct {
	name string
	fd   sys.FD
	cdb  *cdb.CDB
}

// openDatabase opens the forwarding database with that name.
func openDatabase(name string) (*database, error) {
	fd, err := sys.Cwd().Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return nil, unreadable(name, err)
	}
	db := &database{name: name, fd: fd}
	st, err := fd.Stat()
	switch {
	case err != nil:
	case st.IsDir():
		_, err = fd.Read(make([]byte, 1)) // says so
	default:
		db.cdb, err = cdb.New(fd, st.Size)
	}
	if err != nil {
		db.close()
		return nil, db.failed(err)
	}
	return db, nil
}

func (db *database) close() { _ = db.fd.Close() } // read only

// failed is the fault of a database that cannot be read.
func (db *database) failed(err error) error {
	if errors.Is(err, cdb.ErrFormat) {
		err = errCDB
	}
	return unreadable(db.name, err)
}

// commands looks up what is to be done for a target.
func (db *database) commands(target string) (commands []forwarddb.Command, found bool, err error) {
	data, found, err := db.cdb.Get(forwarddb.CommandsKey(target))
	if err != nil {
		return nil, false, db.failed(err)
	}
	if commands, err = forwarddb.ParseCommands(data); err != nil {
		return nil, false, unreadable(db.name, errData)
	}
	return commands, found, nil
}

// owner looks up the owner of a target.
func (db *database) owner(target string) (owner string, found bool, err error) {
	data, found, err := db.cdb.Get(forwarddb.OwnerKey(target))
	if err != nil {
		return "", false, db.failed(err)
	}
	if bytes.IndexByte(data, 0) >= 0 { // it would begin another record of the envelope
		return "", false, unreadable(db.name, errData)
	}
	return string(data), found, nil
}

// An expansion finds out what is to be done for a recipient.
//
// Programs are collected as records are met. All else waits on a stack, and the
// last is taken first: an address that is a target without an owner gives its
// commands, a mailing list its entries, and other addresses are recipients. Each
// address, target and list is taken once, but for the first target: it is taken
// again, without its programs, if it comes up as an address, because the order
// of the recipients in C depends on that. So nothing recurses, and loops end.
type expansion struct {
	db *database

	owner      string // the owner's address, if there is an owner
	hasOwner   bool
	sender     string              // of the envelope, once that is known
	programs   []forwarddb.Command // in the order in which they are run
	recipients []string            // in the order of the envelope, once finish is through

	first    string // the target it began with, in lower case
	todo     []forwarddb.Command
	count    int // of commands so far
	size     int // of lists so far, in bytes
	seen     map[string]bool
	seenFile map[[2]uint64]bool
}

// start begins with the record of the recipient, or else that of its host for
// all users, or else that of its user at all hosts; known is false if it has
// none of them.
func (e *expansion) start(rcpt string) (known bool, err error) {
	e.seen, e.seenFile = make(map[string]bool), make(map[[2]uint64]bool)
	targets := []string{rcpt}
	if local, host, ok := address.SplitLast(rcpt); ok {
		targets = append(targets, "@"+host, local+"@")
	}
	for _, t := range targets {
		commands, found, err := e.db.commands(t)
		if err != nil {
			return false, err
		}
		if !found {
			continue
		}
		if err := e.findOwner(targets); err != nil {
			return false, err
		}
		e.first = address.Lower(t)
		return true, e.add(commands)
	}
	return false, nil
}

// findOwner takes the owner of the first of the targets that has one, whichever
// of them has the commands: so a host can have an owner for all its users.
func (e *expansion) findOwner(targets []string) (err error) {
	for _, t := range targets {
		if e.owner, e.hasOwner, err = e.db.owner(t); err != nil || e.hasOwner {
			return err
		}
	}
	return nil
}

// What the first byte of a key of seen says the rest is.
const (
	seenAddress = "&"
	seenTarget  = ":" // in lower case
	seenList    = "/"
)

// isNew tells whether something is met for the first time.
func (e *expansion) isNew(kind, name string) bool {
	key := kind + name
	if e.seen[key] {
		return false
	}
	e.seen[key] = true
	return true
}

// add takes the commands of a record or the entries of a list.
func (e *expansion) add(commands []forwarddb.Command) error {
	if e.count += len(commands); e.count > maxCommands {
		return errTooMany
	}
	for _, c := range commands {
		if c.IsProgram() {
			e.programs = append(e.programs, c)
		} else {
			e.todo = append(e.todo, c)
		}
	}
	return nil
}

// finish takes all that waits.
func (e *expansion) finish() error {
	for len(e.todo) > 0 {
		last := len(e.todo) - 1
		c := e.todo[last]
		e.todo = e.todo[:last]
		var err error
		if c.IsList() {
			err = e.list(c.Text)
		} else {
			err = e.address(c.Text)
		}
		if err != nil {
			return err
		}
	}
	slices.Reverse(e.recipients) // to the order of the text
	return nil
}

// address takes an address. A target with an owner is a recipient: its owner
// takes effect when the message comes back for it.
func (e *expansion) address(addr string) error {
	if !e.isNew(seenAddress, addr) {
		return nil
	}
	commands, found, err := e.db.commands(addr)
	if err != nil {
		return err
	}
	if found {
		_, owned, err := e.db.owner(addr)
		if err != nil {
			return err
		}
		if !owned {
			target := address.Lower(addr)
			if !e.isNew(seenTarget, target) {
				return nil
			}
			if target == e.first {
				commands = slices.DeleteFunc(commands, forwarddb.Command.IsProgram)
			}
			return e.add(commands)
		}
	}
	e.recipients = append(e.recipients, addr)
	return nil
}

// nowhere is a list that everyone has and that has no entries.
const nowhere = "/dev/null"

// list takes a mailing list. Two names of one file are one list.
func (e *expansion) list(name string) error {
	if name == nowhere || !e.isNew(seenList, name) {
		return nil
	}
	fd, err := sys.Cwd().Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return unreadable(name, err)
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	const readable = 0o444
	switch {
	case err != nil:
		return unreadable(name, err)
	case st.Perm()&readable != readable:
		return temporary(name + " is not world-readable")
	case !st.IsRegular() && !st.IsDir():
		return unreadable(name, errFile)
	}
	id := [2]uint64{st.Dev, st.Ino}
	if e.seenFile[id] {
		return nil
	}
	e.seenFile[id] = true
	b, err := fd.ReadAll(maxList)
	if err != nil {
		return unreadable(name, err)
	}
	if e.size += len(b); e.size > maxBytes {
		return temporary("mailing lists of more than " + strconv.Itoa(maxBytes) + " bytes")
	}
	if e.count+bytes.Count(b, []byte{0}) > maxCommands { // before memory is taken for them
		return errTooMany
	}
	entries, err := forwarddb.ParseList(b)
	if err != nil {
		return unreadable(name, errList)
	}
	return e.add(entries)
}

// describePrograms is the part of what -n says that is about programs.
func (e *expansion) describePrograms() string {
	var b []byte
	for _, c := range e.programs {
		b = append(append(append(b, "run "...), printable(c.String())...), '\n')
	}
	return string(b)
}

// describe is what -n says.
func (e *expansion) describe() string {
	b := []byte(e.describePrograms())
	if len(e.recipients) == 0 {
		return string(append(b, "no forwarding\n"...))
	}
	b = append(append(append(b, "from <"...), printable(e.sender)...), ">\n"...)
	for _, r := range e.recipients {
		b = append(append(append(b, "to <"...), printable(r)...), ">\n"...)
	}
	return string(b)
}

// printable is s with _ for each byte that a terminal may take for more than a
// character.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x80 {
			b[i] = '_'
		}
	}
	return string(b)
}
