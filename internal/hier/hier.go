// Package hier is the installed tree as data: every directory and file below
// the home with type, owner, group and mode. It feeds setup, check and the
// tests, so that they cannot disagree. It does no I/O. Spec: spec/install.md
// section 3, spec/queue.md section 2.
package hier

import (
	"strconv"

	"goqmail/internal/conf"
	"goqmail/internal/queue"
	"goqmail/internal/role"
)

// A Type says what an item is.
type Type int

// The types.
const (
	Dir     Type = iota
	Program      // an executable, built or a script; replaced by setup
	Text         // a manual page, document or start script; replaced by setup
	Data         // a queue file: made once, never truncated
	FIFO
	Link // a symbolic link
)

// An Item is one name of the installed tree.
type Item struct {
	Dir    string // directory below the home: "bin", "man/man8"; "" for the home itself
	Name   string // name in Dir; for directories the whole path is in Dir
	Type   Type
	Owner  role.User
	Group  role.Group
	Mode   uint32 // twelve permission bits
	Size   int    // Data: bytes, all zero
	Source string // Program, Text: file below the build tree
	Target string // Link: its text
	SameAs string // Program: the name in Dir of which this is one more (hard) link; "": a file of its own
}

// Path is the item's name below the home; "" is the home itself.
func (i Item) Path() string {
	switch {
	case i.Name == "":
		return i.Dir
	case i.Dir == "":
		return i.Name
	}
	return i.Dir + "/" + i.Name
}

// TcptoSize is the size of lock/tcpto in bytes: 64 records of 16.
const TcptoSize = 1024

// dir makes a directory item.
func dir(path string, owner role.User, mode uint32) Item {
	return Item{Dir: path, Type: Dir, Owner: owner, Group: role.Qmail, Mode: mode}
}

// Directories lists the tree's directories, parents first.
func Directories() []Item {
	items := []Item{dir("", role.Owner, 0o755)}
	for _, d := range [...]string{"bin", "boot", "control", "doc", "man", "users"} {
		items = append(items, dir(d, role.Owner, 0o755))
	}
	items = append(items, bootDirectories()...)
	for _, kind := range [...]string{"cat", "man"} {
		for _, s := range ManSections {
			items = append(items, dir("man/"+kind+s, role.Owner, 0o755))
		}
	}
	items = append(items, dir("alias", role.Alias, 0o2755))
	return append(items, QueueDirectories()...)
}

// ManSections are the sections of the manual that have a directory. C's
// directories for formatted pages (cat1 and so on) are made too, empty.
var ManSections = [...]string{"1", "5", "7", "8"}

// QueueDirectories lists the directories of the queue, parents first.
func QueueDirectories() []Item {
	items := []Item{
		dir("queue", role.Queue, 0o750),
		dir("queue/"+string(queue.Pid), role.Queue, 0o700),
		dir("queue/"+string(queue.Intd), role.Queue, 0o700),
		dir("queue/"+string(queue.Todo), role.Queue, 0o750),
		dir("queue/lock", role.Queue, 0o750),
		dir("queue/"+string(queue.Bounce), role.Send, 0o700),
	}
	split := [...]struct {
		kind  queue.Kind
		owner role.User
		mode  uint32
	}{
		{queue.Mess, role.Queue, 0o750}, {queue.Info, role.Send, 0o700},
		{queue.Local, role.Send, 0o700}, {queue.Remote, role.Send, 0o700},
	}
	for _, s := range split {
		top := "queue/" + string(s.kind)
		items = append(items, dir(top, s.owner, s.mode))
		for n := uint64(0); n < conf.Split(); n++ {
			items = append(items, dir(top+"/"+strconv.FormatUint(n, 10), s.owner, s.mode))
		}
	}
	return items
}

// QueueFiles lists the fixed files of the queue.
func QueueFiles() []Item {
	at := func(name string, t Type, owner role.User, mode uint32, size int) Item {
		return Item{Dir: "queue/lock", Name: name[len("lock/"):], Type: t, Owner: owner, Group: role.Qmail, Mode: mode, Size: size}
	}
	return []Item{
		at(queue.LockTcpto, Data, role.Remote, 0o644, TcptoSize),
		at(queue.LockSendMutex, Data, role.Send, 0o600, 0),
		at(queue.LockTrigger, FIFO, role.Send, 0o622, 0),
	}
}

// program describes one installed program.
type program struct {
	name   string
	mode   uint32
	script bool // source is scripts/NAME, not build/NAME
}

// programs lists what is installed in bin, with modes: 04711 the only setuid
// one, 0700 for root alone, 0711 for programs that the suite starts itself,
// 0755 for everybody.
var programs = []program{
	{"qmail-lspawn", 0o700, false}, {"qmail-start", 0o700, false}, {"qmail-container", 0o700, false},
	{"qmail-newu", 0o700, false}, {"qmail-newmrh", 0o700, false},
	{"qmail-getpw", 0o711, false}, {"qmail-local", 0o711, false}, {"qmail-remote", 0o711, false},
	{"qmail-rspawn", 0o711, false}, {"qmail-clean", 0o711, false}, {"qmail-send", 0o711, false},
	{"splogger", 0o711, false}, {"qmail-pw2u", 0o711, false},
	{"qmail-inject", 0o755, false}, {"qmail-showctl", 0o755, false}, {"qmail-qread", 0o755, false},
	{"qmail-qstat", 0o755, false}, {"qmail-tcpto", 0o755, false}, {"qmail-tcpok", 0o755, false},
	{"qmail-qmtpd", 0o755, false}, {"qmail-qmqpd", 0o755, false}, {"qmail-qmqpc", 0o755, false},
	{"qmail-smtpd", 0o755, false}, {"qmail-popup", 0o711, false}, {"checkpassword", 0o711, false}, {"qmail-pop3d", 0o755, false}, {"sendmail", 0o755, false}, {"tcp-env", 0o755, false},
	{"forward", 0o755, false}, {"preline", 0o755, false}, {"maildirmake", 0o755, false},
	{"bouncesaying", 0o755, false}, {"condredirect", 0o755, false}, {"except", 0o755, false},
	{"qreceipt", 0o755, false}, {"predate", 0o755, false}, {"datemail", 0o755, false}, {"mailsubj", 0o755, true},
	{"maildir2mbox", 0o755, false},
	{"tcpserver", 0o755, false}, {"tcprules", 0o755, false}, {"tcprulescheck", 0o755, false},
	{"tcpclient", 0o755, false}, {"rblsmtpd", 0o755, false}, {"recordio", 0o755, false}, {"fixcrio", 0o755, false},
	{"addcr", 0o755, false}, {"delcr", 0o755, false}, {"argv0", 0o755, false},
	{"fastforward", 0o755, false}, {"newaliases", 0o755, false}, {"newinclude", 0o755, false},
	{"setforward", 0o755, false}, {"printforward", 0o755, false}, {"setmaillist", 0o755, false}, {"printmaillist", 0o755, false},
	{"dot-forward", 0o755, false}, {"qbiff", 0o755, false}, {"maildirwatch", 0o755, false}, {"qsmhook", 0o755, false},
	{"mbox2maildir", 0o755, false},
	{"elq", 0o755, true}, {"pinq", 0o755, true}, {"qail", 0o755, true},
	{"multilog", 0o755, false}, {"setuidgid", 0o755, false}, {"matchup", 0o755, false},
	{"qmail-queue", 0o4711, false}, // last: what feeds the queue is exchanged when all the rest is new
}

// links are further names, hard links, of programs that look at how they are
// called.
var links = map[string][]string{
	"matchup": {"zoverall", "zddist", "zdeferrals", "zfailures", "zsuccesses", "zrecipients", "zrhosts", "zrxdelay",
		"zsenders", "zsendmail", "zsuids", "xqp", "xrecipient", "xsender"},
}

// Programs lists bin, qmail-queue last, and links right behind what they are
// names of.
func Programs() []Item {
	items := make([]Item, 0, len(programs))
	for _, p := range programs {
		it := Item{Dir: "bin", Name: p.name, Type: Program, Owner: role.Owner, Group: role.Qmail, Mode: p.mode, Source: "build/" + p.name}
		if p.script {
			it.Source = "scripts/" + p.name
		}
		if p.name == "qmail-queue" {
			it.Owner = role.Queue
		}
		items = append(items, it)
		for _, name := range links[p.name] {
			link := it
			link.Name, link.SameAs = name, it.Name
			items = append(items, link)
		}
	}
	return items
}

// ManPage is the item of a manual page file such as "qmail-send.8"; ok is
// false when the name has no section of the tree.
func ManPage(file string) (it Item, ok bool) {
	n := len(file)
	if n < 3 || file[n-2] != '.' {
		return it, false
	}
	for _, s := range ManSections {
		if file[n-1:] == s {
			return Item{Dir: "man/man" + s, Name: file, Type: Text, Owner: role.Owner, Group: role.Qmail, Mode: 0o644, Source: "man/" + file}, true
		}
	}
	return it, false
}

// Document is the item of a file of the doc directory; source is its path in
// the build tree.
func Document(name, source string) Item {
	return Item{Dir: "doc", Name: name, Type: Text, Owner: role.Owner, Group: role.Qmail, Mode: 0o644, Source: source}
}

// StageName is the name below the same directory that setup gives a file until
// all of it is there; scanners of the queue and shells skip it.
func StageName(name string) string { return "." + name + ".new" }

// OldName keeps the replaced file until setup is through.
func OldName(name string) string { return "." + name + ".old" }
