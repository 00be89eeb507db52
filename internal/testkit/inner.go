package testkit

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// memDirs are the directories of a world that are in memory.
var memDirs = []struct{ path, opt string }{
	{"/etc", "mode=0755"},
	{"/var", "mode=0755"},
	{"/home", "mode=0755"},
	{"/root", "mode=0700"},
	{"/run", "mode=0755"},
	{"/tmp", "mode=1777"},
	{"/mnt", "mode=0755"},
	{"/dev", "mode=0755"},
}

// devices are those of the machine that a world has too.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// enter turns new namespaces, with the machine's file system still in them,
// into the world. Nothing on the machine can be changed after step 2, and
// nothing is before.
//
//  1. no mount made here reaches the machine
//  2. every mount becomes read-only
//  3. what will be covered and is still wanted is kept open
//  4. directories in memory cover the machine's own
//  5. devices, /etc, /var, the installed tree, the peers, /proc
//  6. host name and network
func (w *World) enter() error {
	unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount --make-rprivate /: %w", err)
	}
	ro := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &ro); err != nil {
		return fmt.Errorf("make / read-only (needs Linux 5.12): %w", err)
	}
	k, err := w.keep()
	if err != nil {
		return err
	}
	defer k.close()
	for _, d := range memDirs {
		if err := unix.Mount("tmpfs", d.path, "tmpfs", 0, d.opt); err != nil {
			return fmt.Errorf("mount a tmpfs on %s: %w", d.path, err)
		}
	}
	steps := []func() error{
		func() error { return makeDev(k) },
		func() error { return w.makeEtc(k) },
		func() error { return w.makeVar(k) },
		func() error { return w.bindAll(k) },
		func() error { return w.showPeers(k) },
		makeProc,
		w.network,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	// what the outer environment says about places is not true here
	for name, value := range map[string]string{"TMPDIR": "/tmp", "HOME": "/root"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// kept holds what will be covered: open descriptors by path on the machine.
type kept struct {
	fds           map[string]int
	passwd, group string
}

// keep opens everything of the machine that the world will show again.
func (w *World) keep() (*kept, error) {
	k := &kept{fds: map[string]int{}}
	must := []string{"/etc"}
	for _, b := range w.Binds {
		must = append(must, b.From)
	}
	if w.Tree != "" {
		must = append(must, w.Tree)
	}
	for _, d := range devices {
		must = append(must, "/dev/"+d)
	}
	for _, path := range must {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		k.fds[path] = fd
	}
	if err := w.keepPeers(k); err != nil {
		return nil, err
	}
	for path, dst := range map[string]*string{"/etc/passwd": &k.passwd, "/etc/group": &k.group} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		*dst = string(text)
	}
	return k, nil
}

// path returns a name under which a kept file is still reachable.
func (k *kept) path(path string) string {
	return "/proc/self/fd/" + strconv.Itoa(k.fds[path])
}

func (k *kept) close() {
	for _, fd := range k.fds {
		_ = unix.Close(fd) // O_PATH: nothing to lose
	}
}

// bind shows from, read-only, at to, which must exist.
func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
	return nil
}

// makeDev fills /dev.
func makeDev(k *kept) error {
	for _, d := range devices {
		if err := os.WriteFile("/dev/"+d, nil, 0o600); err != nil {
			return err
		}
		if err := bind(k.path("/dev/"+d), "/dev/"+d); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(to, "/dev/"+name); err != nil {
			return err
		}
	}
	if err := os.Mkdir("/dev/shm", 0o755); err != nil {
		return err
	}
	return os.Chmod("/dev/shm", 0o1777|os.ModeSticky)
}

// services are the names that tests and start scripts use.
const services = `smtp 25/tcp mail
domain 53/tcp
domain 53/udp
pop3 110/tcp pop-3
auth 113/tcp tap ident
qmtp 209/tcp
syslog 514/udp
smtps 465/tcp submissions
submission 587/tcp
qmqp 628/tcp
`

// makeEtc writes the files of /etc, and shows the machine's own where dynamic
// linking and Debian's alternatives need them.
func (w *World) makeEtc(k *kept) error {
	users, groups := w.accounts()
	resolv := w.Resolv
	if resolv == "" {
		resolv = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
	}
	for name, text := range map[string]string{
		"passwd":        passwd(users),
		"group":         group(groups),
		"hosts":         "127.0.0.1 localhost\n" + w.Hosts,
		"resolv.conf":   resolv,
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
		"protocols":     "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n",
		"services":      services,
		"shells":        "/bin/sh\n",
	} {
		if err := os.WriteFile("/etc/"+name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	old := k.path("/etc")
	for _, name := range []string{"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"} {
		fi, err := os.Stat(old + "/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a machine without dynamic linking, or not Debian
		}
		if err != nil {
			return err
		}
		if fi.IsDir() {
			err = os.Mkdir("/etc/"+name, 0o755)
		} else {
			err = os.WriteFile("/etc/"+name, nil, 0o644)
		}
		if err != nil {
			return err
		}
		if err := bind(old+"/"+name, "/etc/"+name); err != nil {
			return err
		}
	}
	return nil
}

// makeVar fills /var, with the installed tree as /var/qmail.
func (w *World) makeVar(k *kept) error {
	for _, d := range []string{"lib", "log", "cache", "spool", "mail", "qmail"} {
		if err := os.Mkdir("/var/"+d, 0o755); err != nil {
			return err
		}
	}
	if err := os.Mkdir("/var/tmp", 0o777); err != nil {
		return err
	}
	if err := os.Chmod("/var/tmp", 0o777|os.ModeSticky); err != nil {
		return err
	}
	if err := os.Symlink("/run", "/var/run"); err != nil {
		return err
	}
	if w.Tree == "" {
		return nil
	}
	c := treeCopy{ids: newIDMap(k.passwd, k.group), empty: w.Empty}
	if err := c.all(k.path(w.Tree), "/var/qmail"); err != nil {
		return fmt.Errorf("copy %s: %w", w.Tree, err)
	}
	return nil
}

// bindAll shows what the world's Binds ask for.
func (w *World) bindAll(k *kept) error {
	for _, b := range w.Binds {
		fi, err := os.Stat(k.path(b.From))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(b.To), 0o755); err != nil {
			return err
		}
		if fi.IsDir() {
			err = os.MkdirAll(b.To, 0o755)
		} else {
			err = os.WriteFile(b.To, nil, 0o644)
		}
		if err != nil {
			return err
		}
		if err := bind(k.path(b.From), b.To); err != nil {
			return err
		}
	}
	return nil
}

// makeProc mounts the /proc of the new PID namespace. The next process gets a
// number chosen at random, so that no test depends on the length of one.
func makeProc() error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	var b [2]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	last := strconv.Itoa(1000 + int(binary.LittleEndian.Uint16(b[:]))%20000)
	// a kernel without checkpointing has no such file, which changes no result
	_ = os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(last), 0)
	return nil
}

// network sets the host name, gives lo its addresses and switches it on.
func (w *World) network() error {
	host := w.Host
	if host == "" {
		host = "test.example"
	}
	if err := unix.Sethostname([]byte(host)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOOPBACK)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up); err != nil {
		return fmt.Errorf("switch lo on: %w", err)
	}
	for i, addr := range w.Addrs {
		ip := net.ParseIP(addr).To4()
		if ip == nil {
			return fmt.Errorf("address %q of lo is not IPv4", addr)
		}
		r, err := unix.NewIfreq("lo:" + strconv.Itoa(i+1))
		if err != nil {
			return err
		}
		if err := r.SetInet4Addr(ip); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, r); err != nil {
			return fmt.Errorf("give lo the address %s: %w", addr, err)
		}
	}
	return nil
}
