package send

import (
	"goqmail/internal/control"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// Settings are what the control files said at the start; of these, SIGHUP reads
// the concurrencies again, where there is a spawnlimit, and the limits of domains, and
// only a restart the others. Spec: spec/send.md section 3.
type settings struct {
	me           string // content of control/me, which stands in for control/locals
	hasMe        bool
	lifetime     int64               // seconds
	concurrency  [queue.Channels]int // at the start
	domains      domainLimits        // at the start
	spawnLimit   int                 // what a spawner of ours is asked to do
	hasLimit     bool                // control/spawnlimit exists: SIGHUP is for the concurrencies too
	envnoathost  string
	bouncefrom   string
	bouncehost   string
	doublebounce string // recipient of double bounces: doublebounceto@doublebouncehost
}

// Defaults of control files.
const (
	defaultLifetime = 604800
	defaultLocal    = 10
	defaultRemote   = 20
)

// readControls reads the control files in the order of spec/send.md section 3.
// An absent file has its default; one that cannot be read is an error.
func readControls(home string) (*settings, *routes, error) {
	r, err := control.Open(home)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	set := &settings{}
	set.me, set.hasMe = r.Me()
	integer := func(name string, def int) (n int) {
		if err == nil {
			n, err = r.Int(name, def)
		}
		return n
	}
	line := func(name, def string, orMe bool) (s string) {
		if err != nil {
			return ""
		}
		var ok bool
		if orMe {
			s, ok, err = r.LineOrMe(name, def)
		} else {
			s, ok, err = r.Line(name)
		}
		if !ok {
			s = def
		}
		return s
	}
	set.lifetime = int64(integer("queuelifetime", defaultLifetime))
	if err == nil {
		set.concurrency, _, err = readConcurrency(r)
	}
	if err == nil {
		_, set.hasLimit, err = r.Line("spawnlimit")
	}
	set.spawnLimit = integer("spawnlimit", 0)
	if err == nil {
		set.domains, _, err = readDomainLimits(r)
	}
	set.envnoathost = line("envnoathost", "envnoathost", true)
	set.bouncefrom = line("bouncefrom", "MAILER-DAEMON", false)
	set.bouncehost = line("bouncehost", "bouncehost", true)
	host := line("doublebouncehost", "doublebouncehost", true)
	set.doublebounce = line("doublebounceto", "postmaster", false) + "@" + host
	if err != nil {
		return nil, nil, err
	}
	rt, _, err := readRoutes(r, set)
	if err != nil {
		return nil, nil, err
	}
	lines, _, err := r.List("percenthack")
	rt.percenthack = control.NewMap(lines)
	return set, rt, err
}

// errNoLocals says that neither control/locals nor control/me exists.
type errNoLocals struct{}

func (errNoLocals) Error() string { return "no control/locals and no control/me" }

// readConcurrency reads how many deliveries each channel may have. On failure the
// notice says which file it was.
func readConcurrency(r *control.Reader) (n [queue.Channels]int, notice sendlog.Notice, err error) {
	if n[queue.ChanLocal], err = r.Int("concurrencylocal", defaultLocal); err != nil {
		return n, sendlog.RereadConcurrencyLocal, err
	}
	if n[queue.ChanRemote], err = r.Int("concurrencyremote", defaultRemote); err != nil {
		return n, sendlog.RereadConcurrencyRemote, err
	}
	return n, "", nil
}

// readDomainLimits reads control/concurrencydomains; the notice is as above.
func readDomainLimits(r *control.Reader) (domainLimits, sendlog.Notice, error) {
	lines, _, err := r.List("concurrencydomains")
	return parseDomainLimits(lines), sendlog.RereadConcurrencyDomains, err
}

// readRoutes reads locals and virtualdomains, which SIGHUP reads again.
// On failure the notice says which it was.
func readRoutes(r *control.Reader, set *settings) (*routes, sendlog.Notice, error) {
	rt := &routes{envnoathost: set.envnoathost}
	lines, ok, err := r.List("locals")
	if !ok && err == nil {
		if !set.hasMe {
			return nil, sendlog.RereadLocals, errNoLocals{}
		}
		lines = []string{set.me}
	}
	if err != nil {
		return nil, sendlog.RereadLocals, err
	}
	rt.locals = control.NewMap(lines)
	if lines, _, err = r.List("virtualdomains"); err != nil {
		return nil, sendlog.RereadVirtual, err
	}
	rt.virtual = control.NewColonMap(lines)
	return rt, "", nil
}

// reread obeys SIGHUP: new routes, new limits of destinations and, where
// control/spawnlimit was there at the start, of the channels, which C qmail reads at
// the start only. All or, when a file cannot be read, none. Messages that were
// preprocessed keep their channels, and deliveries that run go on.
//
// C qmail changes its directory to home and back and has an alert for a way
// back that fails; the queue directory is held open here, so it cannot.
func (s *server) reread() {
	home, err := sys.Cwd().OpenSearchDir(s.home)
	if err != nil {
		s.log.notice(sendlog.RereadHome, "")
		return
	}
	_ = home.Close() // only to tell the two alerts apart
	r, err := control.OpenWithoutMe(s.home)
	if err != nil {
		s.log.notice(sendlog.RereadLocals, "")
		return
	}
	defer r.Close()
	rt, notice, err := readRoutes(r, s.set)
	if err != nil {
		s.log.notice(notice, "")
		return
	}
	concurrency := s.set.concurrency
	if s.set.hasLimit {
		if concurrency, notice, err = readConcurrency(r); err != nil {
			s.log.notice(notice, "")
			return
		}
	}
	domains, notice, err := readDomainLimits(r)
	if err != nil {
		s.log.notice(notice, "")
		return
	}
	rt.percenthack = s.routes.Load().percenthack
	s.routes.Store(rt)
	s.setDomainLimits(domains)
	was := s.limits()
	if s.setLimits(concurrency); s.limits() != was {
		s.logStatus()
	}
}

// limits are the channels' limits.
func (s *server) limits() (n [queue.Channels]int) {
	for i, c := range s.channels {
		n[i] = c.limit
	}
	return n
}
