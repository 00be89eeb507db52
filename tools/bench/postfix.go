package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// postfixIDs are used where the machine has no such account.
var postfixIDs = map[string]int{"postfix": 7801, "postdrop": 7802}

// A postfix is Debian's package, unpacked somewhere or installed.
type postfix struct {
	*bed
}

const (
	pfSpool = "/var/spool/postfix"
	pfBin   = "/usr/lib/postfix/sbin/"
)

// setup gives it a spool and a configuration of its own: no chroot, no table of
// aliases, Maildirs, all that is not local to the sink.
func (p *postfix) setup(q Params) error {
	if p.Path != "/" {
		lower := "lowerdir=" + p.Path + "/usr:/usr"
		if err := unix.Mount("overlay", "/usr", "overlay", 0, lower); err != nil {
			return fmt.Errorf("overlay of /usr: %w", err)
		}
	}
	if err := coverVar(); err != nil {
		return err
	}
	uid, postdrop, err := ids("postfix", "postdrop")
	if err != nil {
		return err
	}
	dir := func(name string, mode os.FileMode, uid, gid int) {
		err = errors.Join(err, os.MkdirAll(name, 0o755), os.Chown(name, uid, gid), os.Chmod(name, mode))
	}
	for _, d := range strings.Fields("active bounce corrupt defer deferred flush hold incoming private saved trace") {
		dir(pfSpool+"/"+d, 0o700, uid, 0)
	}
	dir(pfSpool+"/maildrop", 0o730|os.ModeSticky, uid, postdrop)
	dir(pfSpool+"/public", 0o710|os.ModeSetgid, uid, postdrop)
	dir(pfSpool+"/pid", 0o755, 0, 0)
	dir("/var/lib/postfix", 0o755, uid, 0)
	if err != nil {
		return err
	}
	return errors.Join(put("/etc/postfix/main.cf", p.main(q)), put("/etc/postfix/master.cf", p.master(q)),
		put("/etc/postfix/routes", p.routes()))
}

func (p *postfix) routes() (text string) {
	for i := range domains {
		text += fmt.Sprintf("d%d.remote.test smtp:[127.0.0.1]:2525\n", i)
	}
	return text + "closed.test smtp:[127.0.0.1]:9\n" // nobody listens there
}

func (p *postfix) main(q Params) string {
	settings := [][2]string{
		{"compatibility_level", "3.6"}, {"queue_directory", pfSpool}, {"data_directory", "/var/lib/postfix"},
		{"command_directory", "/usr/sbin"}, {"daemon_directory", pfBin}, {"maillog_file", "/var/log/postfix.log"},
		{"myhostname", hostName}, {"mydestination", hostName}, {"mynetworks", "127.0.0.0/8"},
		{"inet_interfaces", "127.0.0.1"}, {"inet_protocols", "ipv4"}, {"disable_dns_lookups", "yes"},
		{"alias_maps", ""}, {"alias_database", ""}, {"transport_maps", "texthash:/etc/postfix/routes"},
		{"home_mailbox", "Maildir/"}, {"mailbox_size_limit", "0"}, {"message_size_limit", "200000000"},
		{"smtpd_recipient_limit", "200000"}, {"smtpd_tls_security_level", "none"}, {"smtp_tls_security_level", "none"},
		{"smtp_destination_concurrency_limit", fmt.Sprint(q.remote)},
		{"initial_destination_concurrency", fmt.Sprint(min(20, q.remote))},
	}
	if q.hold {
		settings = append(settings, [2]string{"smtpd_client_restrictions", "check_client_access static:HOLD"})
	}
	text := ""
	for _, s := range settings {
		text += s[0] + " = " + s[1] + "\n"
	}
	return text
}

// master lists the services: name, type, private, privileged, wakeup, limit, program.
func (p *postfix) master(q Params) string {
	text := ""
	for _, s := range []string{
		"smtp inet n - - 400 smtpd", "pickup unix n - 60 1 pickup", "cleanup unix n - - 0 cleanup",
		"qmgr unix n - 300 1 qmgr", "rewrite unix - - - - trivial-rewrite", "bounce unix - - - 0 bounce",
		"defer unix - - - 0 bounce", "trace unix - - - 0 bounce", "verify unix - - - 1 verify",
		"flush unix n - 1000? 0 flush", "proxymap unix - - - - proxymap", "proxywrite unix - - - 1 proxymap",
		fmt.Sprintf("smtp unix - - - %d smtp", q.remote), fmt.Sprintf("relay unix - - - %d smtp", q.remote),
		"showq unix n - - - showq", "error unix - - - - error", "retry unix - - - - error",
		fmt.Sprintf("local unix - n - %d local", q.local), "anvil unix - - - 1 anvil", "scache unix - - - 1 scache",
		"postlog unix-dgram n - - 1 postlogd",
	} {
		f := strings.Fields(s)
		text += strings.Join([]string{f[0], f[1], f[2], f[3], "n", f[4], f[5], f[6]}, " ") + "\n"
	}
	return text
}

func (p *postfix) env() []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG=/etc/postfix", "LD_LIBRARY_PATH=" + p.libraries()}
}

// libraries are where the package's own are.
func (p *postfix) libraries() string {
	list, _ := filepath.Glob("/usr/lib/*-linux-gnu*") // a constant pattern
	return strings.Join(append([]string{"/usr/lib/postfix"}, list...), ":")
}

func (p *postfix) startAll() error {
	if err := p.start(p.env(), pfBin+"master", "-d"); err != nil {
		return err
	}
	return answering()
}

func (p *postfix) startSMTP() error  { return p.startAll() } // what it takes is held
func (p *postfix) startQueue() error { return p.startAll() }

func (p *postfix) stop() error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all := p.processes()
		if len(all) == 0 {
			return nil
		}
		for _, one := range all {
			_ = unix.Kill(one.pid, unix.SIGTERM) // it may have ended by itself
		}
	}
	return errors.New("postfix has not ended in a minute")
}

func (p *postfix) submit() ([]string, bool) {
	return []string{"/usr/sbin/sendmail", "-oi", "-f", sender, localUser(0, 0)}, false
}

func (p *postfix) scheduler() string { return "qmgr" }

// preload sends mail to a place where nobody listens, and waits until it lies
// in the deferred queue.
func (p *postfix) preload(n int) error {
	if n == 0 {
		return nil
	}
	if err := p.startAll(); err != nil {
		return err
	}
	l := load{sessions: 20, n: n, rcpt: func(int, int) string { return "x@closed.test" }}
	if _, err := l.run(); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Minute); files(pfSpool+"/deferred") < n; time.Sleep(time.Second) {
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d messages deferred", files(pfSpool+"/deferred"), n)
		}
	}
	err := p.stop()
	unix.Sync()
	return err
}
