package send

import (
	"goqmail/internal/control"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// Settings are what the control files said at the start; only a restart reads
// them again. Spec: spec/send.md section 3.
type settings struct {
	me           string // content of control/me, which stands in for control/locals
	hasMe        bool
	lifetime     int64 // seconds
	concurrency  [queue.Channels]int
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
	set.concurrency[queue.ChanLocal] = integer("concurrencylocal", defaultLocal)
	set.concurrency[queue.ChanRemote] = integer("concurrencyremote", defaultRemote)
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

// readRoutes reads locals and virtualdomains, the two that SIGHUP reads again.
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

// reread obeys SIGHUP: new routes, both tables or, when one cannot be read,
// neither. Messages that were preprocessed keep their channels.
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
	rt.percenthack = s.routes.Load().percenthack
	s.routes.Store(rt)
}

// grant is how many deliveries a channel may have: the control file's number,
// or fewer if the spawner says so in its first byte.
func grant(concurrency int, spawner byte) int { return min(concurrency, int(spawner)) }
