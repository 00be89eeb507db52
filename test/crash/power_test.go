//go:build e2e

package crash

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Where the disks are mounted; the queue and ann's home are shown from there.
const (
	queueDisk = "/mnt/queue"
	homeDisk  = "/mnt/home"
)

// A power is a test of losses of power.
type power struct {
	kind     kind
	twoDisks bool   // ann's home is on a disk of its own
	deliver  bool   // qmail-send runs
	stream   bool   // messages come all the time; else one for each loss
	other    bool   // another message passes after the one that counts was delivered
	losses   int    // losses of power with one set of disks
	tracer   string // noflush or nodirflush: what the programs are deprived of
}

// A loss is what there was when the power failed.
type loss struct {
	dir      string   // copies of the disks
	accepted []string // messages that had been acknowledged
	what     string
}

// A result counts what losses of power did.
type result struct {
	losses, accepted, lost, twice int
	wrong                         []string
}

// mountAll shows the disks, or copies of them, as queue and home.
func (b *bed) mountAll(p power, dir, options string) {
	b.Helper()
	if dir != "" {
		b.mount(dir+"/queue", queueDisk, p.kind.name, options, false)
		if p.twoDisks {
			b.mount(dir+"/home", homeDisk, p.kind.name, options, false)
		}
	}
	b.must(unix.Mount(queueDisk+"/queue", queueDir, "", unix.MS_BIND, ""))
	b.must(unix.Mount(b.annDisk(p), ann.Home, "", unix.MS_BIND, ""))
}

func (b *bed) annDisk(p power) string {
	if p.twoDisks {
		return homeDisk + "/ann"
	}
	return queueDisk + "/ann"
}

// unmountAll is the opposite of mountAll. Nothing runs any more.
func (b *bed) unmountAll(p power) {
	b.Helper()
	b.unmount(ann.Home)
	b.unmount(queueDir)
	b.unmount(queueDisk)
	if p.twoDisks {
		b.unmount(homeDisk)
	}
}

// losePower runs p and looks at what each loss of power left.
func (b *bed) losePower(p power) result {
	b.Helper()
	disks := []string{"queue"}
	size := p.kind.mib + 16
	if p.twoDisks {
		disks, size = append(disks, "home"), 2*p.kind.mib+32
	}
	b.makeOuter(size + 16)
	b.makeDisk(p.kind, "queue", queueDisk)
	if p.twoDisks {
		b.makeDisk(p.kind, "home", homeDisk)
	}
	b.makeQueue(queueDisk + "/queue")
	b.must(os.Mkdir(b.annDisk(p), 0o755))
	b.mountAll(p, "", "")
	b.makeHome()
	for _, dir := range []string{queueDisk, homeDisk} {
		syncDisk(dir)
	}
	if p.deliver {
		if p.tracer != "" {
			b.start(&point{action: p.tracer})
		} else {
			b.start(nil)
		}
	}
	l := &load{b: b, p: p, stop: make(chan struct{})}
	if p.stream {
		l.begin()
	}
	var losses []loss
	for i := range p.losses {
		wait := time.Duration(b.rnd.Intn(300)) * time.Millisecond
		if p.stream {
			wait += 200 * time.Millisecond
		} else {
			l.one(i%2 == 1)
			if p.other {
				time.Sleep(time.Duration(100+b.rnd.Intn(300)) * time.Millisecond)
				l.pass()
			}
		}
		time.Sleep(wait)
		at := loss{dir: "/mnt/loss" + strconv.Itoa(i), accepted: l.acknowledged(), what: fmt.Sprintf("loss %d, %v after the last message", i+1, wait)}
		b.lose(at.dir, disks...)
		losses = append(losses, at)
	}
	l.end()
	b.powerOff()
	b.unmountAll(p)
	var r result
	for _, at := range losses {
		b.lookAt(p, at, &r)
	}
	b.unmount(outerDir)
	b.must(os.Remove("/mnt/outer.img"))
	return r
}

// lookAt mounts what a loss of power left, which replays the journals, and looks
// for every message; then it starts qmail-send and looks again.
func (b *bed) lookAt(p power, at loss, r *result) {
	b.Helper()
	b.mountAll(p, at.dir, p.kind.copy)
	b.rubbish = p.kind.unordered
	list, wrong := b.look()
	got, broken := b.delivered()
	wrong = append(wrong, broken...)
	for _, id := range at.accepted {
		if q, there := holds(list, id); got[id] == 0 && !(there && q.whole) {
			r.lost++
			wrong = append(wrong, "lost: "+id+b.traces(id))
		}
	}
	if !b.deliverAll() {
		wrong = append(wrong, fmt.Sprint("not delivered after a restart: ", b.inQueue()))
	}
	list, after := b.look()
	wrong = append(wrong, after...)
	got, broken = b.delivered()
	wrong = append(wrong, broken...)
	missing := 0
	for _, id := range at.accepted {
		if got[id] == 0 {
			missing++
			wrong = append(wrong, "not delivered: "+id+b.traces(id))
		}
		if got[id] > 1 {
			r.twice++
		}
	}
	r.lost = max(r.lost, missing)
	for _, w := range wrong {
		r.wrong = append(r.wrong, at.what+": "+w)
	}
	r.losses, r.accepted = r.losses+1, r.accepted+len(at.accepted)
	if len(wrong)+missing > 0 {
		r.wrong = append(r.wrong, "log: "+b.log())
	}
	b.unmountAll(p)
	b.must(os.RemoveAll(at.dir))
}

// traces says where there are files of a message, for messages.
func (b *bed) traces(id string) (text string) {
	b.Helper()
	for _, dir := range []string{queueDir, ann.Home} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if got, whole := identity(b.read(path)); got == id {
					text += fmt.Sprintf(" %s (whole: %v)", path, whole)
				}
			}
			return nil
		})
	}
	return text
}

// syncDisk writes back one file system; sync would do so with all of the machine,
// and hide losses of tests that run beside this one.
func syncDisk(dir string) {
	if fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Syncfs(fd) // a loss shows if it failed
		_ = unix.Close(fd)
	}
}

// A load is messages that come in.
type load struct {
	b    *bed
	p    power
	mu   sync.Mutex
	ids  []string
	stop chan struct{}
	wg   sync.WaitGroup
	errs []string
}

func (l *load) acknowledged() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.ids...)
}

// gap is between the messages of one sender in a stream: a loss that has to
// deliver hundreds takes its time.
const gap = 15 * time.Millisecond

// begin starts two callers of qmail-queue and two SMTP sessions.
func (l *load) begin() {
	for i := range 4 {
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(gap):
					l.one(i%2 == 1)
				}
			}
		}()
	}
}

// end stops them.
func (l *load) end() {
	l.b.Helper()
	close(l.stop)
	l.wg.Wait()
	if len(l.errs) > 0 {
		l.b.Fatalf("messages were not accepted: %q", l.errs[:min(3, len(l.errs))])
	}
}

// one sends a message to ann by qmail-queue or by a session of qmail-smtpd.
func (l *load) one(smtp bool) {
	id := l.b.newID()
	in, program := mail(id, 700), home+"/bin/qmail-queue"
	if smtp {
		in = "HELO test\r\nMAIL FROM:<s@" + domain + ">\r\nRCPT TO:<ann@" + domain + ">\r\nDATA\r\n" +
			strings.ReplaceAll(in, "\n", "\r\n") + ".\r\nQUIT\r\n"
		program = home + "/bin/qmail-smtpd"
	}
	out, err := l.feed(in, "Fs@"+domain+"\x00Tann@"+domain+"\x00\x00", smtp, program)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || smtp && !strings.Contains(out, " qp ") {
		l.errs = append(l.errs, fmt.Sprint(err, out))
		return
	}
	l.ids = append(l.ids, id)
}

// pass sends a message through the queue that touches no home.
func (l *load) pass() {
	if _, err := l.feed("Subject: other\n\nother\n", "Fs@"+domain+"\x00Tpostmaster@"+domain+"\x00\x00", false, home+"/bin/qmail-queue"); err != nil {
		l.errs = append(l.errs, err.Error())
	}
}

// feed runs a program with input on descriptor 0, and an envelope on 1 unless it
// talks SMTP.
func (l *load) feed(in, env string, smtp bool, program string) (string, error) {
	argv := []string{program}
	if l.p.tracer != "" {
		argv = append(l.b.traced(point{action: l.p.tracer}), program)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{"RELAYCLIENT=", "PROTO=TCP", "TCPREMOTEIP=127.0.0.1", "TCPLOCALIP=127.0.0.1", "PATH=/usr/bin:/bin"}, "/"
	cmd.Stdin = strings.NewReader(in)
	if smtp {
		out, err := cmd.Output()
		return string(out), err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }() // it was only read
	go func() {
		_, _ = w.WriteString(env) // the program may end before it reads
		_ = w.Close()
	}()
	cmd.Stdout = r
	return "", cmd.Run()
}

// losePowerLong runs p once, or with CRASHTIME until that is over, with new disks
// each time. Nothing may be lost, nothing wrong.
func (b *bed) losePowerLong(p power) {
	b.Helper()
	var r result
	for end := time.Now().Add(seconds()); ; {
		one := b.losePower(p)
		r.losses, r.accepted, r.lost, r.twice = r.losses+one.losses, r.accepted+one.accepted, r.lost+one.lost, r.twice+one.twice
		r.wrong = append(r.wrong, one.wrong...)
		if os.Getenv("CRASHTIME") == "" || r.lost > 0 || len(r.wrong) > 0 || time.Now().After(end) {
			break
		}
		b.emptyHome()
	}
	b.Logf("%d losses of power, %d messages acknowledged before, %d delivered twice", r.losses, r.accepted, r.twice)
	if r.lost > 0 || len(r.wrong) > 0 || r.accepted == 0 {
		b.Errorf("%d messages lost of %d; %s", r.lost, r.accepted, strings.Join(r.wrong, "\n"))
	}
}

// The copy of a disk has what was flushed and nothing else: data with fsync of the
// file, a name with fsync of its directory.
func TestDisk(t *testing.T) {
	k := kinds[0]
	onBed(t, func(b *bed) {
		b.makeOuter(k.mib + 32)
		b.makeDisk(k, "disk", queueDisk)
		b.must(os.WriteFile(queueDisk+"/old", []byte("old"), 0o644))
		syncDisk(queueDisk)
		n := 0
		after := func() (names string) {
			n++
			dir := "/mnt/loss" + strconv.Itoa(n)
			b.lose(dir, "disk")
			b.mount(dir+"/disk", "/mnt/copy", k.name, k.copy, false)
			for _, name := range []string{"old", "plain", "flushed", "linked"} {
				if text := b.read("/mnt/copy/" + name); text != "" {
					names += name + " "
				}
			}
			b.unmount("/mnt/copy")
			return names
		}
		expect := func(what, want string) {
			if got := after(); got != want {
				b.Errorf("%s: the copy has %q, want %q", what, got, want)
			}
		}
		b.must(os.WriteFile(queueDisk+"/plain", []byte("plain"), 0o644))
		expect("a file without flush", "old ")
		f, err := os.Create(queueDisk + "/flushed")
		b.must(err)
		_, err = f.WriteString("flushed")
		b.must(err)
		b.must(f.Sync())
		b.must(f.Close())
		expect("a flushed file", "old flushed ")
		b.must(os.Link(queueDisk+"/flushed", queueDisk+"/linked"))
		expect("a link without flush", "old flushed ")
		d, err := os.Open(queueDisk)
		b.must(err)
		b.must(d.Sync())
		b.must(d.Close())
		expect("a flushed directory", "old flushed linked ")
		b.unmount(queueDisk)
	}, needDisk(k))
}

// Power lost shortly after one message was accepted, again and again.
func TestPowerQueue(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			onBed(t, func(b *bed) { b.losePowerLong(power{kind: k, losses: 6}) }, needDisk(k))
		})
	}
}

// Power lost while messages come in by qmail-queue and SMTP.
func TestPowerStream(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			onBed(t, func(b *bed) { b.losePowerLong(power{kind: k, losses: 3, stream: true}) }, needDisk(k))
		})
	}
}

// Power lost while messages are accepted and delivered.
func TestPowerDeliver(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			onBed(t, func(b *bed) { b.losePowerLong(power{kind: k, losses: 3, stream: true, deliver: true}) }, needDisk(k))
		})
	}
}

// The Maildir on another disk than the queue; after the delivery another message
// passes the queue, so that its disk has forgotten the first one.
func TestPowerTwoDisks(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				b.losePowerLong(power{kind: k, losses: 5, deliver: true, twoDisks: true, other: true})
			}, needDisk(k))
		})
	}
}

// The tests above notice programs that flush nothing, and programs that flush
// files but no directories, as C qmail does.
func TestPowerNotice(t *testing.T) {
	k := kinds[0]
	for _, tt := range []struct {
		name string
		p    power
	}{
		{"queue without any flush", power{kind: k, losses: 4, tracer: "noflush"}},
		{"queue without flush of directories", power{kind: k, losses: 4, tracer: "nodirflush"}},
		{"mailbox without any flush", power{kind: k, losses: 4, deliver: true, twoDisks: true, other: true, tracer: "noflush"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				r := b.losePower(tt.p)
				b.Logf("%d messages lost of %d, %d things wrong", r.lost, r.accepted, len(r.wrong))
				if r.lost == 0 {
					b.Error("no message was lost")
				}
			}, needTracer, needDisk(k))
		})
	}
}
