package inject

import (
	"errors"
	"strings"

	"goqmail/internal/control"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/token822"
)

// A config is what the environment and the control files say.
type config struct {
	now int64 // one time for the whole run, in Unix seconds

	letters  // of $QMAILINJECT
	user     string
	host     string // "" with hasHost false: defaulthost applies
	hasHost  bool
	suser    string // for the default envelope sender
	shost    string
	hasSHost bool
	name     string // full name
	hasName  bool

	lists    control.Map // of $QMAILMFTFILE: addresses of mailing lists
	hasLists bool

	defaults token822.Defaults
	idhost   string
}

// letters are the options in $QMAILINJECT; other letters mean nothing.
type letters struct {
	nameComment   bool // c: full name as comment, not before the address
	dropReturn    bool // s: ignore a Return-Path field
	dropFrom      bool // f: ignore a From field
	dropMessageID bool // i: ignore a Message-ID field
	verpRecipient bool // r: a sender for each recipient, expanded by qmail-send
	verpMessage   bool // m: a sender for each message
}

// parseLetters reads the value of $QMAILINJECT.
func parseLetters(s string) (l letters) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 'c':
			l.nameComment = true
		case 's':
			l.dropReturn = true
		case 'f':
			l.dropFrom = true
		case 'i':
			l.dropMessageID = true
		case 'r':
			l.verpRecipient = true
		case 'm':
			l.verpMessage = true
		}
	}
	return l
}

// first returns the value of the first variable that is set.
func first(env prog.Env, names ...string) (string, bool) {
	for _, n := range names {
		if v, ok := env.Get(n); ok {
			return v, true
		}
	}
	return "", false
}

// load reads everything in the order of spec/inject.md section 1.
func (c *config) load(p *prog.Process) error {
	c.now = p.Now().Unix()
	value, _ := p.Env.Get("QMAILINJECT")
	c.letters = parseLetters(value)

	var ok bool
	if c.user, ok = first(p.Env, "QMAILUSER", "MAILUSER", "USER", "LOGNAME"); !ok {
		c.user = "anonymous"
	}
	c.host, c.hasHost = first(p.Env, "QMAILHOST", "MAILHOST")
	c.name, c.hasName = first(p.Env, "QMAILNAME", "MAILNAME", "NAME")
	if c.suser, ok = p.Env.Get("QMAILSUSER"); !ok {
		c.suser = c.user
	}
	if c.shost, c.hasSHost = p.Env.Get("QMAILSHOST"); !c.hasSHost {
		c.shost, c.hasSHost = c.host, c.hasHost
	}
	if err := c.loadLists(p.Env); err != nil {
		return err
	}
	return c.loadControls(p)
}

// maxLists is the largest file that $QMAILMFTFILE may name, in bytes.
const maxLists = 16 << 20

// loadLists reads the file that $QMAILMFTFILE names, below the caller's
// directory. An absent file turns the feature off.
func (c *config) loadLists(env prog.Env) error {
	name, ok := env.Get("QMAILMFTFILE")
	if !ok {
		return nil
	}
	b, err := sys.Cwd().ReadFile(name, maxLists)
	if sys.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return errRead
	}
	c.lists, c.hasLists = control.NewMap(control.ParseList(b)), true
	return nil
}

// loadControls reads the control files and the variables that override them.
func (c *config) loadControls(p *prog.Process) error {
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return errHome
	}
	_ = home.Close() // it was only to tell a bad home from a bad control
	r, err := control.Open(p.Home)
	if err != nil {
		return errRead
	}
	defer r.Close()
	c.defaults, err = r.AddressDefaults(control.EnvironmentFirst(p.Env.Get))
	var bad *control.HostError
	switch {
	case errors.As(err, &bad):
		return errParse(bad.Text)
	case err != nil:
		return errRead
	}
	if c.idhost, err = setting(r, p.Env, "idhost", "QMAILIDHOST"); err != nil {
		return err
	}
	c.idhost = untilNUL(c.idhost)
	return nil
}

// setting is the value of the variable, else of the control file, else of me,
// else the control file's name. The file is read in any case: one that cannot
// be read is an error.
func setting(r *control.Reader, env prog.Env, file, variable string) (string, error) {
	value, _, err := r.LineOrMe(file, file)
	if err != nil {
		return "", errRead
	}
	if v, ok := env.Get(variable); ok {
		value = v
	}
	return value, nil
}

// oneAddress tokenises text, completes it as one address, whatever tokens it
// has, and returns it without quotes.
func (c *config) oneAddress(text string) (string, error) {
	l, err := token822.Parse(text)
	if err != nil {
		return "", err
	}
	return c.defaults.Complete(l).Address(), nil
}

// untilNUL cuts s at its first NUL, where envelopes and C strings end.
func untilNUL(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}
