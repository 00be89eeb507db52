package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/queue"
)

// A qmail is a tree of this suite, of an older build, or of another qmail.
type qmail struct {
	*bed
}

func (q *qmail) bin(name string) string { return q.Home + "/bin/" + name }

// setup makes a home with the tree's programs, an empty queue like the tree's,
// and the smallest configuration.
func (q *qmail) setup(p Params) error {
	own := here + q.Home
	tree := q.Path
	if _, err := os.Stat(tree + q.Home + "/bin"); err == nil {
		tree += q.Home // made with DESTDIR
	}
	if err := bind(tree+"/bin", own+"/bin"); err != nil {
		return err
	}
	for _, d := range []string{"control", "users", "alias"} {
		if err := like(tree+"/"+d, own+"/"+d); err != nil {
			return err
		}
	}
	if err := emptyQueue(tree+"/queue", own+"/queue"); err != nil {
		return err
	}
	routes, assign := "", ""
	for i := range domains {
		routes += fmt.Sprintf("d%d.remote.test:%s\n", i, sinkAddr)
	}
	for i := range users {
		assign += fmt.Sprintf("=u%d:u%d:%d:%d:%s:::\n", i, i, firstUID+i, firstUID, home(i))
	}
	control := map[string]string{
		"me": hostName, "locals": hostName, "rcpthosts": hostName, "defaultdomain": "example.test", "plusdomain": "example.test",
		"concurrencylocal": strconv.Itoa(p.local), "concurrencyremote": strconv.Itoa(p.remote),
		"remoteshare": "1", "smtproutes": strings.TrimSuffix(routes, "\n"),
	}
	if most := max(p.local, p.remote); most > 120 {
		control["spawnlimit"] = strconv.Itoa(most)
	}
	for _, e := range q.Extra {
		name, text, _ := strings.Cut(e, "=")
		control[name] = text
	}
	for name, text := range control {
		if err := put(own+"/control/"+name, text+"\n"); err != nil {
			return err
		}
	}
	for _, name := range []string{"postmaster", "mailer-daemon", "root"} {
		if err := put(own+"/alias/.qmail-"+name, "&u0@"+hostName+"\n"); err != nil {
			return err
		}
	}
	if err := put(own+"/users/assign", assign+".\n"); err != nil {
		return err
	}
	if q.Server == "" {
		q.Server = q.bin("tcpserver")
	} else if err := bindFile(q.Server, here+"/tcpserver"); err != nil {
		return err
	} else {
		q.Server = here + "/tcpserver"
	}
	if err := coverVar(); err != nil {
		return err
	}
	out, err := exec.Command(q.bin("qmail-newu")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qmail-newu: %w: %s", err, out)
	}
	return nil
}

func bindFile(from, to string) error {
	if err := put(to, ""); err != nil {
		return err
	}
	return unix.Mount(from, to, "", unix.MS_BIND, "")
}

// like makes a directory with the owner and mode of another.
func like(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return own(to, &st)
}

func own(path string, st *unix.Stat_t) error {
	if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(path, uint32(st.Mode)&0o7777)
}

// emptyQueue copies a queue's directories, its FIFO and the files of lock/.
func emptyQueue(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := to + strings.TrimPrefix(path, from)
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return like(path, name)
		case d.Type() == os.ModeNamedPipe:
			if err := unix.Mkfifo(name, 0o600); err != nil {
				return err
			}
		case filepath.Base(filepath.Dir(path)) == "lock":
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(name, text, 0o600)
			}
			if err != nil {
				return err
			}
		default:
			return nil // mail
		}
		return own(name, &st)
	})
}

func (q *qmail) env() []string { return []string{"PATH=" + q.Home + "/bin:/usr/bin:/bin"} }

func (q *qmail) startSMTP() error {
	uid, gid, err := ids("qmaild", "nofiles")
	if err != nil {
		return err
	}
	err = q.start(append(q.env(), "RELAYCLIENT="), q.Server, "-H", "-R", "-l", hostName, "-c", "400", "-b", "400",
		"-u", strconv.Itoa(uid), "-g", strconv.Itoa(gid), "127.0.0.1", "25", q.bin("qmail-smtpd"))
	if err != nil {
		return err
	}
	return answering()
}

func ids(name, group string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, 0, err
	}
	uid, _ = strconv.Atoi(u.Uid) // digits, or Lookup had failed
	gid, _ = strconv.Atoi(g.Gid)
	return uid, gid, nil
}

func (q *qmail) startQueue() error {
	return q.start(q.env(), q.bin("qmail-start"), "./Maildir/")
}

func (q *qmail) startAll() error {
	if err := q.startQueue(); err != nil {
		return err
	}
	return q.startSMTP()
}

// stop ends qmail-send, which waits for running deliveries.
func (q *qmail) stop() error {
	if pid := q.find("qmail-send"); pid > 0 {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			return err
		}
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if q.find("qmail-send") == 0 && q.find("qmail-lspawn") == 0 && q.find("qmail-rspawn") == 0 {
			return nil
		}
	}
	return fmt.Errorf("qmail-send has not ended in a minute")
}

func (q *qmail) submit() ([]string, bool) { return []string{q.bin("qmail-queue")}, true }

func (q *qmail) scheduler() string { return "qmail-send" }

// preload puts messages into the queue that are not due for ten hours. The
// queue is not in use. Their number is the inode of the message, as always.
func (q *qmail) preload(n int) error {
	uq, gid, err := ids("qmailq", "qmail")
	if err != nil {
		return err
	}
	us, _, err := ids("qmails", "qmail")
	if err != nil {
		return err
	}
	dir := q.Home + "/queue/"
	names, err := filepath.Glob(dir + "mess/*")
	if err != nil {
		return err
	}
	now := time.Now()
	file := func(path, text string, uid int, mode os.FileMode, when time.Time) error {
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
		return os.Chtimes(path, when, when)
	}
	for i := range n {
		first := dir + "pid/preload"
		if err := file(first, string(text(500, "\n")), uq, queue.ModeQueueFile, now); err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(first, &st); err != nil {
			return err
		}
		sub := fmt.Sprintf("/%d/%d", st.Ino%uint64(len(names)), st.Ino)
		if err := os.Rename(first, dir+string(queue.Mess)+sub); err != nil {
			return err
		}
		if err := file(dir+string(queue.Info)+sub, "F"+sender+"\x00", us, 0o600, now); err != nil {
			return err
		}
		if err := file(dir+string(queue.Remote)+sub, "T"+far(0, i)+"\x00", us, 0o600, now.Add(10*time.Hour)); err != nil {
			return err
		}
	}
	unix.Sync()
	return nil
}

// queued fails unless the queue has n messages, of which todo wait for
// preprocessing.
func (q *qmail) queued(n, todo int) error {
	m, t := 0, 0
	for range 100 { // the last one may be on its way
		m, t = files(q.Home+"/queue/mess"), files(q.Home+"/queue/todo")
		if m == n && (todo < 0 || t == todo) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%d messages in the queue, %d of them in todo; expected %d, %d", m, t, n, todo)
}
