//go:build e2e

package install_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// aDeb builds the package and returns its name.
func aDeb(t *testing.T) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1795201640")
	must(t, src, "make", "deb")
	names, err := filepath.Glob(src + "/build/goqmail_*.deb")
	if err != nil || len(names) != 1 {
		t.Fatalf("packages: %v, %v", names, err)
	}
	return names[0]
}

// newer makes a package of a later version out of one.
func newer(t *testing.T, deb string) string {
	t.Helper()
	must(t, "/", "dpkg-deb", "-R", deb, "/tmp/newer")
	must(t, "/", "sed", "-i", "s/^Version: .*/Version: 9.9/", "/tmp/newer/DEBIAN/control")
	must(t, "/", "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", "/tmp/newer", "/tmp/newer.deb")
	return "/tmp/newer.deb"
}

// withoutMTA removes the machine's own mail server, which the package conflicts
// with.
func (r *root) withoutMTA() {
	r.Helper()
	out := r.must("dpkg-query", "-W", "-f", "${Package} ${Provides} ${db:Status-Abbrev}\n")
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "mail-transport-agent") {
			r.must("dpkg", "--purge", "--force-depends", strings.Fields(line)[0])
		}
	}
}

// install installs the package.
func (r *root) install(deb string) string {
	r.Helper()
	must(r.T, "/", "cp", deb, r.dir+"/tmp/goqmail.deb")
	return r.must("dpkg", "--force-unsafe-io", "-i", "/tmp/goqmail.deb")
}

// files lists everything in the root but what dpkg and the accounts leave.
func (r *root) files() string {
	r.Helper()
	return r.must("find", "/etc", "/usr", "/var", "/run", "-xdev", "-path", "/var/lib/dpkg", "-prune", "-o", "-path", "/var/log", "-prune", "-o",
		"-path", "/var/cache", "-prune", "-o", "-path", "/usr/local", "-prune", "-o", "-path", "/etc/passwd*", "-o", "-path", "/etc/group*", "-o", "-path", "/etc/shadow*", "-o",
		"-path", "/etc/gshadow*", "-o", "-path", "/etc/sub?id*", "-o", "-printf", "%p %y %m %u %g\n")
}

// started tells whether a program of the suite runs.
func started(t *testing.T) bool {
	t.Helper()
	out, _ := run(t, "/", "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aE '[q]mail-send|[q]mail-lspawn|[t]cpserver|[m]ultilog'")
	return out != ""
}

// TestDeb builds the package, which takes a while, and does all that there is to
// be done with it.
func TestDeb(t *testing.T) {
	freshWith(t, wholeMachine, func(t *testing.T) {
		deb := aDeb(t)
		debIsReproducible(t, deb)
		debLives(t, deb)
		debBesideOthers(t, deb)
	})
}

// debLives is the life of the package: installed, used, upgraded while mail
// flows, removed, purged.
func debLives(t *testing.T, deb string) {
	t.Helper()
	r := newRoot(t, "deb")
	r.withoutMTA()
	r.write("/etc/mailname", "Mail.deb.test\n")
	before := r.files()

	out := r.install(deb)
	for _, want := range []string{"account qmailq made", home + "/control/me made", "nothing is started yet"} {
		if !strings.Contains(out, want) {
			t.Errorf("installing does not say %q:\n%s", want, out)
		}
	}
	if started(t) {
		t.Error("installing started something")
	}
	r.checkInstalled()

	// It works.
	r.must(home+"/boot/service", "start")
	r.sendmail("postmaster", "the first")
	r.arrived("the first")

	// An upgrade while it runs: configuration, queue and running daemons stay.
	r.write(home+"/control/defaultdelivery", "./Mailbox\n")
	r.write(home+"/alias/.qmail-wait", "|exit 111\n")
	r.write(home+"/control/tcp.smtp", "# mine\n")
	r.must("rm", home+"/alias/.qmail-root")
	r.sendmail("wait", "waiting")
	eventually(t, "one deferred message", func() bool {
		return strings.Contains(r.must(home+"/bin/qmail-qstat"), "messages in queue: 1\nmessages in queue but not yet preprocessed: 0\n")
	})
	queue := r.must("find", home+"/queue", "-printf", "%p %i %u %m\n")
	sendmutex := r.must("stat", "-c", "%i", home+"/queue/lock/sendmutex")
	out = r.install(newer(t, deb))
	if !strings.Contains(out, "running daemons stay the old ones until") {
		t.Errorf("upgrading says %s", out)
	}
	if now := r.must("find", home+"/queue", "-printf", "%p %i %u %m\n"); now != queue {
		t.Errorf("the upgrade changed the queue:\n%s\n%s", queue, now)
	}
	if r.must("stat", "-c", "%i", home+"/queue/lock/sendmutex") != sendmutex {
		t.Error("the upgrade exchanged lock/sendmutex")
	}
	if r.read(home+"/control/defaultdelivery") != "./Mailbox\n" || r.read(home+"/control/tcp.smtp") != "# mine\n" || r.has(home+"/alias/.qmail-root") {
		t.Error("the upgrade changed the configuration")
	}
	r.sendmail("postmaster", "the second")
	r.arrived("the second")
	r.must(home+"/boot/service", "restart")
	r.sendmail("postmaster", "the third")
	r.arrived("the third")

	// Removed: everything stops, and what is the site's stays.
	out = r.must("dpkg", "-r", "goqmail")
	eventually(t, "nothing runs", func() bool { return !started(t) })
	for _, gone := range []string{home + "/bin", home + "/boot", "/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/lib/goqmail"} {
		if r.has(gone) {
			t.Errorf("%s is there after the removal\n%s", gone, out)
		}
	}
	for _, kept := range []string{"/control/me", "/alias/.qmail-postmaster", "/queue/lock/trigger", "/users", "/rc"} {
		if !r.has(home + kept) {
			t.Errorf("%s is gone after the removal", kept)
		}
	}
	r.purges(deb, before)
}

// checkInstalled looks at what the installation has made.
func (r *root) checkInstalled() {
	r.Helper()
	if out := r.must("/usr/lib/goqmail/install", "instcheck", "installed"); out != "" {
		r.Errorf("instcheck: %s", out)
	}
	if out := r.must("stat", "-c", "%a %U %G", home+"/bin/qmail-queue"); out != "4711 qmailq qmail\n" {
		r.Errorf("qmail-queue is %s", out)
	}
	if out := r.must("dpkg", "--verify", "goqmail"); out != "" {
		r.Errorf("dpkg --verify: %s", out)
	}
	newaliases := "newaliases"
	if !r.has(home + "/bin/newaliases") {
		newaliases = "sendmail"
	}
	for name, want := range map[string]string{"/usr/sbin/sendmail": "sendmail", "/usr/lib/sendmail": "sendmail", "/usr/bin/mailq": "sendmail", "/usr/bin/newaliases": newaliases} {
		if out := r.must("readlink", "-f", name); out != home+"/bin/"+want+"\n" {
			r.Errorf("%s leads to %s", name, out)
		}
	}
	for name, want := range map[string]string{"me": "mail.deb.test\n", "rcpthosts": "mail.deb.test\n", "defaultdelivery": "./Maildir/\n"} {
		if got := r.read(home + "/control/" + name); got != want {
			r.Errorf("control/%s = %q, want %q", name, got, want)
		}
	}
	for _, u := range []string{"alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails"} {
		row := r.must("getent", "passwd", u)
		if !regexp.MustCompile(`^` + u + `:[^:]*:[0-9]+:[0-9]+:[^:]*:` + home + `(/alias)?:(/usr/sbin/nologin|/bin/false)\n$`).MatchString(row) {
			r.Errorf("account %s", row)
		}
	}
	units := r.must("sh", "-c", "ls /usr/lib/systemd/system | grep qmail; find /etc/systemd -lname '*qmail*'")
	if !strings.Contains(units, "qmail-send.service") || strings.Contains(units, "/etc/") {
		r.Errorf("units: %s", units)
	}
	if out := r.must("sh", "-c", "zcat /usr/share/man/man8/qmail-send.8.gz /usr/share/man/man1/mailq.1.gz 2>/dev/null | head -n 3"); !strings.Contains(out, ".Dd ") {
		r.Errorf("pages: %s", out)
	}
}

// purges purges the package: first with mail that was not delivered, then with
// mail that was, at last with none.
func (r *root) purges(deb, before string) {
	r.Helper()
	out := r.must("dpkg", "-P", "goqmail")
	if !strings.Contains(out, "/queue has mail that was not delivered") || !strings.Contains(out, "/alias has mail") || !r.has(home+"/control/me") {
		r.Errorf("purging with mail: %s", out)
	}
	r.install(deb)
	r.checkInstalledAgain()
	r.must(home+"/boot/service", "start")
	r.write(home+"/alias/.qmail-wait", "./Maildir/\n")
	r.must(home+"/boot/service", "doqueue")
	r.arrived("waiting")
	eventually(r.T, "an empty queue", func() bool {
		return strings.HasPrefix(r.must(home+"/bin/qmail-qstat"), "messages in queue: 0\n")
	})
	out = r.must("dpkg", "-P", "goqmail")
	if strings.Contains(out, "/queue has mail") || !strings.Contains(out, "/alias has mail") || r.has(home+"/queue") || r.has(home+"/control") {
		r.Errorf("purging with delivered mail: %s", out)
	}
	r.install(deb)
	r.must("sh", "-c", "rm "+home+"/alias/Maildir/new/*")
	r.must("dpkg", "-P", "goqmail")
	if r.has(home) || r.has("/var/log/qmail") || r.has("/run/qmail") {
		r.Error("something is left of a purged package: " + r.must("find", "/var/qmail", "/var/log/qmail", "/run/qmail"))
	}
	if after := r.files(); after != before {
		r.write("/tmp/before", before)
		r.write("/tmp/after", after)
		diff, _ := r.run("diff", "/tmp/before", "/tmp/after")
		r.Errorf("a purge does not leave what was before:\n%s", diff)
	}
	if out, _ := r.run("dpkg-statoverride", "--list"); strings.Contains(out, "qmail") {
		r.Errorf("dpkg-statoverride has %s", out)
	}
	if _, code := r.run("getent", "passwd", "qmailq"); code != 0 {
		r.Error("the accounts are gone")
	}
}

// checkInstalledAgain: what an earlier installation left is used again.
func (r *root) checkInstalledAgain() {
	r.Helper()
	if out := r.must("/usr/lib/goqmail/install", "instcheck", "installed"); out != "" {
		r.Errorf("instcheck: %s", out)
	}
	if r.read(home+"/control/me") != "mail.deb.test\n" || r.has(home+"/alias/.qmail-root") {
		r.Error("the configuration that was there is not used")
	}
}

// debBesideOthers: a null client is refused, an installation by hand is
// taken over, and a purge leaves another qmail alone.
func debBesideOthers(t *testing.T, deb string) {
	t.Helper()
	r := newRoot(t, "others")
	r.withoutMTA()
	must(t, "/", "cp", deb, r.dir+"/tmp/goqmail.deb")
	must(t, src, "make", "setup-nullclient", "DESTDIR="+r.dir)
	if out, code := r.run("dpkg", "-i", "/tmp/goqmail.deb"); code == 0 || !strings.Contains(out, home+" is a null client") {
		t.Errorf("over a null client: exit %d, %s", code, out)
	}
	must(t, src, "make", "uninstall", "DESTDIR="+r.dir)
	r.must("rm", "-rf", home)

	r.write("/tmp/accounts", must(t, src, "sh", "scripts/accounts", "7790"))
	r.must("sh", "-e", "/tmp/accounts")
	for _, file := range []string{"me", "rcpthosts", "tcp.smtp"} {
		r.write(home+"/control/"+file, "by.hand\n")
	}
	r.install(deb)
	if got := r.must("stat", "-c", "%u:%g", home+"/bin/qmail-queue"); got != "7795:7800\n" && got != "7794:7800\n" {
		t.Errorf("qmail-queue belongs to %s", got)
	}
	if r.read(home+"/control/me") != "by.hand\n" || r.has(home+"/control/locals") || r.has(home+"/rc") {
		t.Error("the configuration that was there was changed")
	}
	r.must("dpkg", "-r", "goqmail")
	r.write(home+"/bin/qmail-send", "another one\n")
	out := r.must("dpkg", "-P", "goqmail")
	if !strings.Contains(out, "another qmail is in "+home) || !r.has(home+"/control/me") || !r.has(home+"/queue/lock") {
		t.Errorf("purging beside another qmail: %s", out)
	}
}

// debIsReproducible: another user, umask, time zone and directory give the
// same bytes.
func debIsReproducible(t *testing.T, deb string) {
	t.Helper()
	testkit.Overlay(t, src, "/tmp/elsewhere")
	must(t, "/", "chown", "1001", "/tmp/elsewhere/build")
	must(t, "/", "mv", "/tmp/elsewhere/build/"+filepath.Base(deb), "/tmp/first.deb")
	must(t, "/tmp/elsewhere", "setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", "env", "TZ=Asia/Tokyo", "HOME=/home/ann", "GOCACHE=/tmp/none",
		"sh", "-c", "umask 077; sh scripts/deb")
	must(t, "/", "cmp", "/tmp/first.deb", "/tmp/elsewhere/build/"+filepath.Base(deb))
	for _, line := range strings.Split(must(t, "/", "dpkg-deb", "-c", deb), "\n") {
		if f := strings.Fields(line); len(f) > 5 && (f[1] != "root/root" || strings.ContainsAny(f[0], "st") || !strings.HasPrefix(f[0], "l") && f[0][8] == 'w') {
			t.Errorf("in the package: %s", line)
		}
	}
	if out := must(t, "/", "dpkg-deb", "-f", deb, "Depends"); strings.TrimSpace(out) != "" {
		t.Errorf("the package depends on %s", out)
	}
	// What is missing is told in one line.
	for name, want := range map[string]string{
		"env PATH=/tmp/none sh scripts/deb":               "deb: the command dpkg-deb is missing (package dpkg)\n",
		"env SOURCE_DATE_EPOCH=x sh scripts/deb":          "source-date: SOURCE_DATE_EPOCH must be seconds since 1970, not x\n",
		"env GOARCH=arm64 HOME_DIR='/a b' sh scripts/deb": "deb: conf-qmail names /a b; use letters, digits, / . _ + - only\n",
		"env PATH=/tmp/none /bin/sh scripts/dist":         "dist: the command tar is missing\n",
		"cd /tmp && sh " + src + "/scripts/source-date":   "source-date: neither a clone, with .git, nor an unpacked archive, with MANIFEST; set SOURCE_DATE_EPOCH\n",
	} {
		cmd := strings.Replace(strings.Replace(name, "PATH=/tmp/none sh", "PATH=/tmp/none /bin/sh", 1), "sh scripts/deb", "/bin/sh scripts/deb", 1)
		if strings.HasPrefix(name, "cd ") {
			cmd = "unset SOURCE_DATE_EPOCH; " + cmd
		}
		if out, code := run(t, src, "sh", "-c", strings.Replace(cmd, "/bin//bin/", "/bin/", 1)); code != 1 || out != want {
			t.Errorf("%s: exit %d, %q, want %q", name, code, out, want)
		}
	}
}
