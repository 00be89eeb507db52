//go:build e2e

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

// patience is how long the runner waits for anything. It is only reached by a
// page that is wrong.
const patience = 15 * time.Second

const (
	home     = "/var/qmail"
	hostName = "mail.example.org"
	own      = "192.0.2.10"
	sendLog  = "/var/log/qmail/send/current"
	scratch  = "/tmp/docs" // scripts and outputs of blocks
	rootPath = home + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	userPath = home + "/bin:/usr/local/bin:/usr/bin:/bin"
)

// people are the users of every world.
var people = []testkit.User{
	{Name: "ann", UID: 1001, GID: 1001, Gecos: "Ann Example", Home: "/home/ann"},
	{Name: "joe", UID: 1002, GID: 1002, Gecos: "Joe Example", Home: "/home/joe"},
	{Name: "bob", UID: 1003, GID: 1003, Gecos: "Bob Example", Home: "/home/bob"},
}

// others are accounts that packages of Debian bring.
var others = []testkit.User{
	{Name: "dovecot", UID: 120, GID: 120, Home: "/usr/lib/dovecot", Shell: "/usr/sbin/nologin"},
	{Name: "dovenull", UID: 121, GID: 121, Home: "/nonexistent", Shell: "/usr/sbin/nologin"},
	{Name: "nobody", UID: 65534, GID: 65534, Home: "/nonexistent", Shell: "/usr/sbin/nologin"},
}

func TestMain(m *testing.M) { installed.Main(m) }

// world is the machine of the pages' examples.
func world() testkit.World {
	w := testkit.World{
		Host:  hostName,
		Addrs: []string{own, "198.51.100.7"}, // and, by lo's mask, their networks
		Hosts: own + " " + hostName + " mail\n",
		Empty: true, Sendmail: true,
		Users: append(append([]testkit.User{}, people...), others...),
		Groups: []testkit.Group{{Name: "ann", GID: 1001}, {Name: "joe", GID: 1002}, {Name: "bob", GID: 1003},
			{Name: "mail", GID: 8}, {Name: "dovecot", GID: 120}, {Name: "dovenull", GID: 121}, {Name: "nogroup", GID: 65534}},
	}
	return w
}

// A bed is a world with a page's blocks to run.
type bed struct {
	*testing.T
	shells map[string]*sh
	blocks int // that have run
}

// must ends the test if err is not nil.
func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// write makes a file, and the directories it is in, for everybody to read.
func (b *bed) write(path, content string, mode os.FileMode) {
	b.Helper()
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	b.must(os.WriteFile(path, []byte(content), mode))
	b.must(os.Chmod(path, mode))
}

// own gives a file to a user.
func (b *bed) own(path string, u testkit.User) {
	b.Helper()
	b.must(os.Chown(path, u.UID, u.GID))
}

// root runs commands that have to succeed, outside any page.
func (b *bed) root(commands string) string {
	b.Helper()
	cmd := exec.Command("/bin/sh", "-ec", commands)
	cmd.Env = []string{"PATH=" + rootPath, "HOME=/root"}
	cmd.Dir = "/root"
	cmd.WaitDelay = time.Second // a daemon may have the pipe still
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState != nil && !cmd.ProcessState.Success() {
		b.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return string(out)
}

// etc writes what programs of the machine read in /etc.
func (b *bed) etc() {
	b.Helper()
	pam := ""
	for _, kind := range []string{"auth", "account", "session", "password"} {
		pam += kind + " required pam_permit.so\n"
	}
	b.write("/etc/pam.d/other", pam, 0o644) // who is in this world has been let in
	b.write("/etc/login.defs", "UID_MIN 1000\n", 0o644)
	b.must(os.MkdirAll(scratch, 0o755))
	b.must(os.Chmod(scratch, 0o1777|os.ModeSticky))
}

// furnish makes homes, configures the suite as make quickstart does, and starts it.
func (b *bed) furnish() {
	b.Helper()
	b.etc()
	for _, u := range people {
		b.must(os.Mkdir(u.Home, 0o755))
		b.own(u.Home, u)
		b.maildir(u.Home+"/Maildir", u)
	}
	for name, text := range map[string]string{
		"me":              hostName + "\n",
		"defaultdomain":   "example.org\n",
		"plusdomain":      "example.org\n",
		"locals":          "localhost\nexample.org\n" + hostName + "\n",
		"rcpthosts":       "localhost\nexample.org\n" + hostName + "\n",
		"defaultdelivery": "./Maildir/\n",
		"tcp.smtp":        "127.:allow,RELAYCLIENT=\"\"\n::1:allow,RELAYCLIENT=\"\"\n:allow\n",
	} {
		b.write(home+"/control/"+name, text, 0o644)
	}
	b.write(home+"/rc", "#!/bin/sh\nexec /var/qmail/boot/send multilog t /var/log/qmail/send\n", 0o755)
	alias := testkit.User{UID: testkit.UIDAlias, GID: testkit.GIDNofiles}
	for _, a := range []string{"postmaster", "mailer-daemon", "root"} {
		b.write(home+"/alias/.qmail-"+a, "./Maildir/\n", 0o644)
	}
	b.maildir(home+"/alias/Maildir", alias)
	b.root("cd /var/qmail/control; tcprules tcp.smtp.cdb tcp.smtp.tmp <tcp.smtp; chmod 644 tcp.smtp.cdb; /var/qmail/boot/service start")
}

func (b *bed) maildir(path string, u testkit.User) {
	b.Helper()
	for _, d := range []string{"", "/tmp", "/new", "/cur"} {
		b.must(os.Mkdir(path+d, 0o700))
		b.own(path+d, u)
	}
}

// Every page does what it says.
func TestPages(t *testing.T) {
	list, err := names(top)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		name := filepath.Base(path)
		if elsewhere[name] != "" {
			continue
		}
		p, err := readPage(path)
		if err != nil {
			t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) { t.Error(err) })
		}
		for _, m := range p.machines() {
			t.Run(strings.TrimSuffix(strings.TrimSuffix(name, ".md")+"-"+m, "-"), func(t *testing.T) {
				if strings.HasPrefix(m, "new") {
					onNew(t, func(b *bed) { b.page(p, m) })
				} else {
					onBed(t, func(b *bed) { b.page(p, m) })
				}
			})
		}
	}
}

// onBed runs f in a world with a suite that runs.
func onBed(t *testing.T, f func(b *bed)) {
	t.Helper()
	w := world()
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		w.Tree = installed.Tree(t)
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		b := &bed{T: t, shells: map[string]*sh{}}
		b.furnish()
		b.outside()
		f(b)
	})
}
