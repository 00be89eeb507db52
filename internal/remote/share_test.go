package remote

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// A site is an SMTP server on loopback that plays a script, and a carrier whose
// mail goes there.
type site struct {
	t    *testing.T
	home string
	c    *carrier

	mu     sync.Mutex
	reply  func(conn, message int, line string) string // "" for the usual reply, "close" to hang up
	conns  int                                         // so far
	open   int
	most   int // open at one time
	copies []string
	wire   []string // what came on each connection, for a look at the order
	hold   chan bool
	keeps  bool // a connection is there, or soon without work
}

func newSite(t *testing.T, share string) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &site{t: t, home: t.TempDir()}
	for _, d := range []string{"control", "queue", "queue/lock"} {
		if err := os.Mkdir(filepath.Join(s.home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.control("me", "mx.test\n")
	s.control("smtproutes", ":"+l.Addr().String()+"\n")
	s.control("timeoutremote", "20\n")
	if share != "" {
		s.control("remoteshare", share)
	}
	s.c = &carrier{p: &prog.Process{Args: []string{"qmail-remote"}, Home: s.home, Now: time.Now}, name: "qmail-remote"}
	if s.c.queue, err = sys.OpenDir(s.home + "/queue"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.c.queue.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// script says what the server replies from now on.
func (s *site) script(reply func(conn, message int, line string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

// wait makes the server wait for hold after each message.
func (s *site) wait(hold chan bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = hold
}

func (s *site) control(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.home, "control", name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// serve serves one connection. A reply is asked for with the line, "greeting",
// "message" (after the dot) or "idle" (before MAIL on a used connection); one that
// begins with + is said after the usual one.
func (s *site) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	n := s.conns
	s.conns++
	s.open++
	s.most = max(s.most, s.open)
	s.wire = append(s.wire, "")
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	message := 0
	var coming []string // copies, if the message is taken
	// say asks the script what to say, once, and says it; bad is a refusal.
	say := func(line, usual string) (bad, ok bool) {
		s.mu.Lock()
		text := ""
		if s.reply != nil {
			text = s.reply(n, message, line)
		}
		s.mu.Unlock()
		switch {
		case text == "close":
			return false, false
		case text == "":
			text = usual
		case text[0] == '+':
			text = usual + "\r\n" + text[1:]
		}
		if text == "" {
			return false, true
		}
		if line == "message" && text[0] == '2' {
			s.mu.Lock()
			s.copies = append(s.copies, coming...)
			s.mu.Unlock()
		}
		_, err := c.Write([]byte(text + "\r\n"))
		return text[0] >= '4', err == nil
	}
	if _, ok := say("greeting", "220 hi"); !ok {
		return
	}
	mail, rcpts := "", []string(nil)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		verb, arg, _ := strings.Cut(line, " ")
		s.mu.Lock()
		s.wire[n] += verb + " "
		s.mu.Unlock()
		usual := "250 ok"
		switch {
		case verb == "MAIL" && mail != "":
			usual = "503 nested MAIL"
		case verb == "DATA" && len(rcpts) == 0:
			usual = "503 RCPT first"
		case verb == "DATA":
			usual = "354 go"
		case verb == "QUIT":
			_, _ = say(line, "221 bye")
			return
		}
		bad, ok := say(line, usual)
		switch {
		case !ok:
			return
		case bad:
			continue
		case verb == "MAIL":
			mail = arg
		case verb == "RCPT":
			rcpts = append(rcpts, arg)
		case verb == "RSET":
			mail, rcpts = "", nil
		}
		if verb != "DATA" {
			continue
		}
		body := ""
		for {
			l, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if l == ".\r\n" {
				break
			}
			body += l
		}
		s.mu.Lock()
		hold := s.hold
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		coming = nil
		for _, r := range rcpts {
			coming = append(coming, mail+" "+r+" "+strings.TrimSpace(body))
		}
		if _, ok := say("message", "250 queued"); !ok {
			return
		}
		mail, rcpts = "", nil
		message++
		if _, ok := say("idle", ""); !ok {
			return
		}
	}
}

// begin begins a delivery; its report comes out, shortened.
func (s *site) begin(file, sender, rcpt string) <-chan string {
	s.t.Helper()
	message, err := sys.Cwd().Open(file, sys.ReadOnly, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	r, w, err := sys.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out := make(chan string, 1)
	go func() {
		_ = s.c.job([]string{"far.test", sender, rcpt}, []sys.FD{message, w})
		_, _ = message.Close(), w.Close()
		b, _ := r.ReadAll(1 << 16)
		_ = r.Close()
		out <- short(string(b))
	}()
	return out
}

// short is the letters of a report, and what is in brackets or after "said".
func short(report string) string {
	var out []string
	for _, r := range strings.Split(strings.TrimSuffix(report, "\x00"), "\x00") {
		text := r[:1]
		switch {
		case strings.Contains(r, "Possible duplicate!"):
			text += " duplicate"
		case strings.Contains(r, "connection died"):
			text += " died"
		case strings.Contains(r, "Remote host said: "):
			_, said, _ := strings.Cut(r, "Remote host said: ")
			text += " " + strings.TrimSpace(said)
		case strings.Contains(r, "(#"):
			text += " " + r[strings.Index(r, "(#"):len(r)-1]
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// file makes a message file.
func (s *site) file(text string) string {
	s.t.Helper()
	f, err := os.CreateTemp(s.t.TempDir(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	return f.Name()
}

// send does one delivery of a message of its own.
func (s *site) send(sender, rcpt string) string {
	s.t.Helper()
	return <-s.begin(s.file("body\n"), sender, rcpt)
}

// together has deliveries of one message wait in the lane until all are there.
// The lane's connection, if there is one, is without work then.
func (s *site) together(sender string, rcpts ...string) []string {
	s.t.Helper()
	each := func(f func(n *lane) bool) (ok bool) {
		s.c.lanes.mu.Lock()
		defer s.c.lanes.mu.Unlock()
		for _, n := range s.c.lanes.open {
			ok = f(n)
		}
		return ok
	}
	var idle []*carrying
	if s.keeps {
		s.until("an idle connection", func() bool {
			return each(func(n *lane) bool {
				idle, n.idle, n.full = n.idle, nil, time.Now().Add(time.Hour)
				return len(idle) > 0
			})
		})
	}
	file := s.file("body\n")
	var outs []<-chan string
	for i, r := range rcpts {
		outs = append(outs, s.begin(file, sender, r))
		if idle != nil {
			s.until("it to wait", func() bool { return each(func(n *lane) bool { return len(n.waiting) == i+1 }) })
		}
	}
	if idle != nil {
		each(func(n *lane) bool {
			n.idle, n.full = idle, time.Time{}
			n.kick()
			return true
		})
	}
	var got []string
	for i, o := range outs {
		got = append(got, rcpts[i]+": "+<-o)
	}
	return got
}

// until waits for what somebody else does.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// lines are the verbs of each connection.
func (s *site) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.wire...)
}

func (s *site) seen() (conns int, copies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sort.Strings(s.copies)
	return s.conns, append([]string(nil), s.copies...)
}

const fine = "r, K 250 queued"

func TestNotShared(t *testing.T) {
	for _, share := range []string{"", "0\n", "2\n"} {
		s := newSite(t, share)
		for i, got := range s.together("a@b", "x@far.test", "y@far.test", "z@far.test") {
			if !strings.HasSuffix(got, ": "+fine) {
				t.Errorf("delivery %d: %q", i, got)
			}
		}
		if conns, copies := s.seen(); conns != 3 || len(copies) != 3 {
			t.Errorf("remoteshare %q: %d connections, %q", share, conns, copies)
		}
		for _, w := range s.lines() {
			if !strings.HasPrefix("HELO MAIL RCPT DATA QUIT ", w) {
				t.Errorf("remoteshare %q: %q", share, w)
			}
		}
	}
}

// One connection for messages that follow one another; also that 1 in the
// control file counts from the next delivery on.
func TestKept(t *testing.T) {
	s := newSite(t, "")
	_ = s.send("a@b", "x@far.test")
	s.control("remoteshare", "1\n")
	for i := range 5 {
		if i > 0 {
			s.until("an idle connection", func() bool {
				s.c.lanes.mu.Lock()
				defer s.c.lanes.mu.Unlock()
				for _, n := range s.c.lanes.open {
					return len(n.idle) > 0
				}
				return false
			})
		}
		if got := s.send(fmt.Sprintf("a%d@b", i), "x@far.test"); got != fine {
			t.Errorf("message %d: %q", i, got)
		}
	}
	conns, copies := s.seen()
	if conns != 2 || len(copies) != 6 || copies[5] != "FROM:<a@b> TO:<x@far.test> body" {
		t.Errorf("%d connections, %q", conns, copies)
	}
	s.c.lanes.close()
	if w := s.lines()[1]; w != "HELO MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA " && w != "HELO MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA MAIL RCPT DATA QUIT " {
		t.Errorf("sent %q", w)
	}
}

// What a server does with the second message of a connection, or with the second
// recipient of a message: what becomes of it, and where it was sent. The
// deliveries are a first message, which always works, and then one with these
// recipients.
func TestServers(t *testing.T) {
	only := func(conn, message int, prefix, text string) func(int, int, string) string {
		return func(c, m int, line string) string {
			if (conn < 0 || c == conn) && (message < 0 || m == message) && strings.HasPrefix(line, prefix) {
				return text
			}
			return ""
		}
	}
	several := func(what string) func(int, int, string) string { // refuses several
		rcpts := 0
		return func(_, _ int, line string) string {
			switch {
			case strings.HasPrefix(line, "MAIL"):
				rcpts = 0
			case strings.HasPrefix(line, "RCPT"):
				rcpts++
			case strings.HasPrefix(line, what) && rcpts > 1:
				return "550 one at a time"
			}
			return ""
		}
	}
	many := func(n int) (r []string) {
		for i := range n {
			r = append(r, fmt.Sprintf("u%d@far.test", i))
		}
		return r
	}
	tests := []struct {
		name  string
		reply func(conn, message int, line string) string
		rcpts []string
		want  string // of each, or of those not named in bad
		bad   map[string]string
		conns int // 0: not asked
	}{
		{"usual", nil, many(1), fine, nil, 1},
		{"server closed the idle connection", only(0, 1, "idle", "close"), many(1), fine, nil, 2},
		{"closed with a word", only(0, 1, "idle", "421 idle too long"), many(1), fine, nil, 2},
		{"421 at MAIL", only(0, 1, "MAIL", "421 enough"), many(1), fine, nil, 2},
		{"503 at MAIL", only(0, 1, "MAIL", "503 what"), many(1), fine, nil, 2},
		{"550 at MAIL everywhere", only(-1, -1, "MAIL FROM:<bad", "550 no"), many(1), "D 550 no", nil, 2},
		{"death at MAIL", only(0, 1, "MAIL", "close"), many(3), fine, nil, 2},
		{"death at RCPT", only(0, 1, "RCPT", "close"), many(1), fine, nil, 2},
		{"550 at RCPT on a used connection", only(0, 1, "RCPT", "550 no"), many(1), fine, nil, 2},
		{"550 at RCPT everywhere", only(-1, -1, "RCPT TO:<u0", "550 no"), many(1), "h 550 no, D", nil, 2},
		{"451 at RCPT", only(-1, -1, "RCPT TO:<u0", "451 wait"), many(1), "s 451 wait, D", nil, 1},
		{"452 for the second", only(0, 1, "RCPT TO:<u1", "452 one at a time"), many(2), fine, nil, 1},
		{"550 from the third on", func() func(int, int, string) string {
			n := 0
			return func(_, _ int, line string) string {
				if strings.HasPrefix(line, "MAIL") {
					n = 0
				}
				if strings.HasPrefix(line, "RCPT") {
					if n++; n > 2 {
						return "550 too many recipients"
					}
				}
				return ""
			}
		}(), many(6), fine, nil, 0},
		{"one bad of many", only(-1, -1, "RCPT TO:<u7@", "550 no such"), many(30), fine, map[string]string{"u7@far.test": "h 550 no such, D"}, 0},
		{"one late of many", only(-1, -1, "RCPT TO:<u7@", "451 later"), many(30), fine, map[string]string{"u7@far.test": "s 451 later, D"}, 0},
		{"all bad", only(-1, -1, "RCPT TO:<u", "550 no"), many(3), "h 550 no, D", nil, 0},
		{"all deferred", only(-1, -1, "RCPT TO:<u", "451 no"), many(3), "s 451 no, D", nil, 0},
		{"DATA refused", only(-1, 1, "DATA", "451 later"), many(1), "r, Z 451 later", nil, 1},
		{"DATA refused for good on a used connection", only(0, 1, "DATA", "554 no"), many(1), fine, nil, 2},
		{"DATA refused for several", several("DATA"), many(4), fine, nil, 0},
		{"message refused for several", several("message"), many(4), fine, nil, 0},
		{"message refused", only(0, 1, "message", "554 spam"), many(1), "r, D 554 spam", nil, 1},
		{"death at DATA", only(0, 1, "DATA", "close"), many(1), fine, nil, 2},
		{"death at DATA of several", only(0, 1, "DATA", "close"), many(3), fine, nil, 0},
		{"death after the dot", only(0, 1, "message", "close"), many(1), "r, Z duplicate", nil, 1},
		{"death after the dot of several", only(0, 1, "message", "close"), many(3), "r, Z duplicate", nil, 1},
		{"a word too many", only(0, 0, "message", "+250 and again"), many(1), fine, nil, 2},
		{"a word too many at RCPT", only(0, 1, "RCPT", "+250 and again"), many(1), "", nil, 0},
		{"no RSET", func(c, m int, line string) string {
			if strings.HasPrefix(line, "RCPT TO:<u0") {
				return "550 no"
			}
			if line == "RSET" {
				return "502 what"
			}
			return ""
		}, many(1), "h 550 no, D", nil, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "1\n")
			s.script(tt.reply)
			sender := "a@b"
			if strings.Contains(tt.name, "at MAIL everywhere") {
				sender = "bad@b"
			}
			if got := s.send("first@b", "first@far.test"); got != fine {
				t.Fatalf("first message: %q", got)
			}
			s.keeps = true
			for _, got := range s.together(sender, tt.rcpts...) {
				rcpt, got, _ := strings.Cut(got, ": ")
				want := tt.want
				if w, ok := tt.bad[rcpt]; ok {
					want = w
				}
				switch {
				case want == "" && strings.Contains(got, "D"):
					t.Errorf("%s: %q, which bounces", rcpt, got)
				case want != "" && got != want:
					t.Errorf("%s: %q, want %q", rcpt, got, want)
				}
				// A report of success means exactly one copy, unless the server
				// took one and died.
				n := 0
				_, copies := s.seen()
				for _, c := range copies {
					if strings.Contains(c, " TO:<"+rcpt+"> ") {
						n++
					}
				}
				if (strings.Contains(got, "K") && n != 1) || (want == fine && n != 1) || n > 1 {
					t.Errorf("%s: %q with %d copies", rcpt, got, n)
				}
			}
			if conns, _ := s.seen(); tt.conns != 0 && conns != tt.conns {
				t.Errorf("%d connections, want %d: %q", conns, tt.conns, s.lines())
			}
		})
	}
}

// Recipients of one message and sender go in one transaction, up to batchMax;
// other senders, as of VERP, never do.
func TestBatch(t *testing.T) {
	s := newSite(t, "1\n")
	s.wait(make(chan bool))
	first := s.begin(s.file("first\n"), "a@b", "first@far.test")
	s.hold <- true
	if got := <-first; got != fine {
		t.Fatal(got)
	}
	file := s.file("list\n")
	var outs []<-chan string
	for i := range batchMax + 20 {
		outs = append(outs, s.begin(file, "list@b", fmt.Sprintf("u%d@far.test", i)))
	}
	for i := range 10 {
		outs = append(outs, s.begin(file, fmt.Sprintf("list-u%d=far.test@b", i), fmt.Sprintf("u%d@far.test", i)))
	}
	close(s.hold)
	for i, o := range outs {
		if got := <-o; got != fine {
			t.Errorf("recipient %d: %q", i, got)
		}
	}
	conns, copies := s.seen()
	if len(copies) != batchMax+31 {
		t.Errorf("%d copies", len(copies))
	}
	for _, c := range copies {
		if strings.HasPrefix(c, "FROM:<list-u") && !strings.Contains(c, strings.TrimSuffix(strings.TrimPrefix(strings.Fields(c)[0], "FROM:<list-"), "=far.test@b>")+"@far.test") {
			t.Errorf("somebody else's copy: %q", c)
		}
	}
	if conns > laneConns {
		t.Errorf("%d connections", conns)
	}
	for _, w := range s.lines() {
		run := 0
		for _, v := range strings.Fields(w) {
			if run++; v != "RCPT" {
				run = 0
			}
			if run > batchMax {
				t.Errorf("%d recipients in one transaction", run)
			}
		}
	}
}

// A server that is slow with one message does not hold up others for long; one
// that takes few connections gets no more, and defers nobody that waits.
func TestSlowServer(t *testing.T) {
	s := newSite(t, "1\n")
	s.wait(make(chan bool))
	outs := []<-chan string{}
	for i := range 30 {
		outs = append(outs, s.begin(s.file("body\n"), "a@b", fmt.Sprintf("u%d@far.test", i)))
	}
	s.until("connections", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.open >= laneConns/2
	})
	close(s.hold)
	for i, o := range outs {
		if got := <-o; got != fine {
			t.Errorf("message %d: %q", i, got)
		}
	}
	if s.most > laneConns+1 {
		t.Errorf("%d connections at one time", s.most)
	}
}

func TestConnectionLimit(t *testing.T) {
	s := newSite(t, "1\n")
	s.script(func(_, _ int, line string) string {
		if line == "greeting" && s.open > 2 {
			return "421 too many connections"
		}
		return ""
	})
	var outs []<-chan string
	for i := range 40 {
		outs = append(outs, s.begin(s.file("body\n"), "a@b", fmt.Sprintf("u%d@far.test", i)))
	}
	for i, o := range outs {
		if got := <-o; got != fine {
			t.Errorf("message %d: %q", i, got)
		}
	}
}

// A server that is not there, or refuses everybody: all who wait are told.
func TestNobodyThere(t *testing.T) {
	s := newSite(t, "1\n")
	s.script(func(_, _ int, line string) string { return map[string]string{"greeting": "554 go away"}[line] })
	for _, got := range s.together("a@b", "x@far.test", "y@far.test", "z@far.test") {
		if !strings.HasSuffix(got, ": Z 554 go away") {
			t.Errorf("%q", got)
		}
	}
	s.control("smtproutes", ":127.0.0.1:1\n")
	for _, got := range s.together("a@b", "x@far.test", "y@far.test") {
		if !strings.HasSuffix(got, ": Z (#4.4.1)") {
			t.Errorf("%q", got)
		}
	}
}

// Every message arrives once whatever the server does, if it is reported as a
// success; none bounces that the server would have taken.
func TestUnsteadyServer(t *testing.T) {
	s := newSite(t, "1\n")
	n := 0
	s.script(func(_, m int, line string) string {
		n++
		switch {
		case line == "greeting":
			return ""
		case n%17 == 0:
			return "close"
		case n%13 == 0 && m > 0:
			return "421 enough"
		case n%11 == 0 && m > 0 && !strings.HasPrefix(line, "message"):
			return "451 hm"
		}
		return ""
	})
	files := []string{s.file("one\n"), s.file("two\n"), s.file("three\n")}
	var outs []<-chan string
	for i := range 60 {
		outs = append(outs, s.begin(files[i%3], "a@b", fmt.Sprintf("u%d@far.test", i)))
	}
	for i, o := range outs {
		got := <-o
		_, copies := s.seen()
		have := 0
		for _, c := range copies {
			if strings.Contains(c, fmt.Sprintf(" TO:<u%d@", i)) {
				have++
			}
		}
		if strings.Contains(got, "D") && !strings.HasPrefix(got, "s ") || strings.Contains(got, "K") && have != 1 || have > 1 {
			t.Errorf("message %d: %q with %d copies", i, got, have)
		}
	}
	// What a lane still has is given up just after the last report.
	busy := s.busyLanes()
	for end := time.Now().Add(5 * time.Second); len(busy) > 0 && time.Now().Before(end); busy = s.busyLanes() {
		time.Sleep(time.Millisecond)
	}
	for _, text := range busy {
		t.Error(text)
	}
}

// busyLanes describes the lanes that have something to do.
func (s *site) busyLanes() (texts []string) {
	s.c.lanes.mu.Lock()
	defer s.c.lanes.mu.Unlock()
	for key, l := range s.c.lanes.open {
		if len(l.waiting) > 0 || l.opening != 0 || len(l.sending) > 0 {
			texts = append(texts, fmt.Sprintf("lane %q: %d wait, %d opening, %d being sent", key, len(l.waiting), l.opening, len(l.sending)))
		}
	}
	return texts
}
