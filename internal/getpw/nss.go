package getpw

import (
	"bytes"
	"errors"
	"io"
	"time"

	"goqmail/internal/control"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// maxConf is the largest nsswitch.conf, in bytes.
const maxConf = 1 << 20

// maxAnswer is the longest line that getent is expected to print.
const maxAnswer = 1 << 16

// limit is how long all questions to getent of one delivery may take together.
// The slot of the delivery is busy meanwhile.
const limit = 60 * time.Second

// sigkill is the signal that ends a getent which takes too long.
const sigkill = 9

// errDown says that the directory of users gives no answer that can be trusted.
var errDown = errors.New("user directory is down")

// users are the accounts of the system.
type users struct {
	passwd, nsswitch string   // names of the files
	getent           []string // where the program may be
	home             string   // the suite's home, for control/nssprobe
	env              []string
	limit            time.Duration

	index    *index                      // of /etc/passwd; nil: the file is searched
	local    map[string]role.PasswdEntry // from /etc/passwd
	filesTop bool                        // /etc/passwd is asked first
	ask      bool                        // there are sources that only getent knows
	deadline time.Time                   // of all questions; zero before the first
	probed   bool                        // the probe has been found, or is not wanted
}

// newUsers makes the accounts of this machine.
func newUsers(p *prog.Process) *users {
	return &users{
		passwd: "/etc/passwd", nsswitch: "/etc/nsswitch.conf", getent: []string{"/usr/bin/getent", "/bin/getent"},
		home: p.Home, env: child.WithoutRuntime(p.Env.List()), limit: limit,
	}
}

// Prepare reads nsswitch.conf and searches /etc/passwd for the names. A missing
// nsswitch.conf means what it means to the C library: /etc/passwd alone.
func (u *users) Prepare(names []string) error {
	b, err := sys.Cwd().ReadFile(u.nsswitch, maxConf)
	if err != nil && !sys.IsNotExist(err) {
		return err
	}
	list := sources(b)
	u.filesTop = list[0] == "files" || list[0] == "compat"
	inPasswd := false
	for _, s := range list {
		switch s {
		case "files", "compat":
			inPasswd = true
		case "systemd": // makes up root, nobody and the like
		default:
			u.ask = true
		}
	}
	if !inPasswd && u.ask {
		return nil
	}
	if u.index != nil {
		u.local, err = u.index.find(u.passwd, names)
		return err
	}
	fd, err := sys.Cwd().Open(u.passwd, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return err
	}
	defer func() { _ = fd.Close() }() // read only
	u.local, err = scan(fd, names)
	return err
}

// sources lists where nsswitch.conf says that users are, in order; never none.
// Reactions, [NOTFOUND=return], are left out: getent knows them.
func sources(b []byte) []string {
	var list []string
	for line := range bytes.Lines(b) {
		if i := bytes.IndexByte(line, '#'); i >= 0 {
			line = line[:i]
		}
		rest, ok := bytes.CutPrefix(trimLeft(line), []byte("passwd"))
		if rest, ok = bytes.CutPrefix(trimLeft(rest), []byte{':'}); !ok {
			continue
		}
		list = words(rest) // of several lines the last counts
	}
	if len(list) == 0 {
		return []string{"files"}
	}
	return list
}

// words cuts at white space and leaves out what stands in brackets.
func words(b []byte) (out []string) {
	depth, start := 0, -1
	for i := 0; i <= len(b); i++ {
		end := i == len(b) || b[i] == '[' || b[i] == ']' || isSpace(b[i])
		if end && start >= 0 {
			out = append(out, string(b[start:i]))
			start = -1
		}
		switch {
		case i == len(b):
		case b[i] == '[':
			depth++
		case b[i] == ']':
			depth = max(0, depth-1)
		case !end && depth == 0 && start < 0:
			start = i
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// Lookup finds an account by name. An error means that it is not known whether
// there is such an account.
func (u *users) Lookup(name string) (role.PasswdEntry, bool, error) {
	e, found := u.local[name]
	if !u.ask || found && u.filesTop || !mayAsk(name) {
		return e, found, nil
	}
	answer, found, err := u.query(name)
	if err != nil || found {
		return answer, found, err
	}
	if err := u.probe(); err != nil {
		return role.PasswdEntry{}, false, err
	}
	return role.PasswdEntry{}, false, nil
}

// Owner is the uid that owns a directory.
func (u *users) Owner(home string) (uint32, error) {
	st, err := sys.Cwd().Stat(home)
	return st.UID, err
}

// mayAsk tells whether a name may be given to getent, which takes a name of
// digits for a uid, and one that begins with a dash for an option. No account
// name has a colon.
func mayAsk(name string) bool {
	digits := 0
	for i := 0; i < len(name); i++ {
		if name[i] >= '0' && name[i] <= '9' {
			digits++
		}
		if name[i] == ':' || name[i] == '\n' || name[i] == 0 {
			return false
		}
	}
	return digits < len(name) && name[0] != '-'
}

// probe makes sure that "no such user" was an answer: getent says the same when
// the source is down. The user named in control/nssprobe must be found then.
// Without that file an outage cannot be told from a missing user.
func (u *users) probe() error {
	if u.probed {
		return nil
	}
	name, err := u.probeName()
	if err != nil {
		return err
	}
	if name != "" {
		if !mayAsk(name) {
			return errDown
		}
		if _, found, err := u.query(name); err != nil || !found {
			return errDown
		}
	}
	u.probed = true
	return nil
}

// probeName is what control/nssprobe holds; "" when it is absent or empty.
func (u *users) probeName() (string, error) {
	c, err := control.Open(u.home)
	if sys.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	name, _, err := c.Line("nssprobe")
	return name, err
}

// Exit codes of getent.
const (
	getentFound    = 0
	getentNotFound = 2 // also when a source is down
)

// query asks getent for one account.
func (u *users) query(name string) (e role.PasswdEntry, found bool, err error) {
	if u.deadline.IsZero() {
		u.deadline = time.Now().Add(u.limit)
	}
	out, st, err := u.run("getent", "passwd", name)
	if err != nil || st.Crashed() {
		return e, false, errDown
	}
	switch st.Code() {
	case getentNotFound:
		return e, false, nil
	case getentFound:
		line, _, _ := bytes.Cut(out, []byte{'\n'})
		if e, found = role.ParsePasswd(line); found {
			return e, true, nil
		}
	}
	return e, false, errDown
}

// run runs getent until it ends or the time is over, and returns what it
// printed on descriptor 1. Its descriptors 0 and 2 are /dev/null: what it says
// there must not get into the report of the delivery.
func (u *users) run(argv ...string) ([]byte, child.Status, error) {
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = null.Close() }() // nothing is kept there
	r, w, err := sys.Pipe()
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = r.Close() }() // read only
	p, err := u.start(&child.Cmd{Args: argv, Env: u.env, Files: []sys.FD{null, w, null}})
	_ = w.Close() // the child has its own
	if err != nil {
		return nil, 0, err
	}
	out, err := readUntil(r, u.deadline)
	if err != nil {
		_ = p.Kill(sigkill) // fails only when it has ended
	}
	// It has closed its output or been killed; should it stay, kill it.
	timer := time.AfterFunc(time.Until(u.deadline), func() { _ = p.Kill(sigkill) })
	st, werr := p.Wait()
	timer.Stop()
	return out, st, errors.Join(err, werr)
}

// start starts getent from the first place where it is.
func (u *users) start(c *child.Cmd) (p child.Process, err error) {
	err = errDown
	for _, path := range u.getent {
		c.Path = path
		if p, err = child.Start(c); !sys.IsNotExist(err) {
			break
		}
	}
	return p, err
}

// readUntil reads to the end, at most maxAnswer bytes, until the deadline.
func readUntil(fd sys.FD, deadline time.Time) ([]byte, error) {
	var out []byte
	buf := make([]byte, 4096)
	for {
		ready, err := fd.Wait(sys.Readable, max(0, time.Until(deadline)))
		if err != nil {
			return nil, err
		}
		if !ready {
			return nil, sys.ErrTimeout
		}
		n, err := fd.Read(buf)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, buf[:n]...); len(out) > maxAnswer {
			return nil, errDown
		}
	}
}
