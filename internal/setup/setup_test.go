package setup

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// process makes a Process whose descriptors 1 and 2 go to files; done returns
// what was written.
func process(t *testing.T, env []string, args ...string) (p *prog.Process, done func() (out, err string)) {
	t.Helper()
	dir := t.TempDir()
	fds := map[int]sys.FD{}
	for n, name := range map[int]string{1: "out", 2: "err"} {
		fd, err := sys.Cwd().Open(filepath.Join(dir, name), sys.ReadWrite|sys.Create, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		fds[n] = fd
	}
	p = &prog.Process{Args: append([]string{"install"}, args...), Env: prog.NewEnv(env), Home: "/var/qmail", Now: time.Now, FDs: fds}
	return p, func() (string, string) {
		var got [3]string
		for n, name := range map[int]string{1: "out", 2: "err"} {
			_ = fds[n].Close()
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			got[n] = string(b)
		}
		return got[1], got[2]
	}
}

// controlDir makes an empty tree below a DESTDIR with a control directory.
func controlDir(t *testing.T) (dest, dir string) {
	t.Helper()
	dest = t.TempDir()
	dir = filepath.Join(dest, "var/qmail/control")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dest, dir
}

func TestConfigFast(t *testing.T) {
	dest, dir := controlDir(t)
	if err := os.WriteFile(filepath.Join(dir, "locals"), []byte("old.example"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, done := process(t, []string{"DESTDIR=" + dest}, "config-fast", "foo.bar.example.org")
	if code := Run(p); code != 0 {
		t.Fatalf("exit %d", code)
	}
	// As C's config-fast prints it (spec/install.md section 5).
	want := `Your fully qualified host name is foo.bar.example.org.
Putting foo.bar.example.org into control/me...
Putting bar.example.org into control/defaultdomain...
Putting example.org into control/plusdomain...
Putting foo.bar.example.org into control/locals...
Putting foo.bar.example.org into control/rcpthosts...
Now qmail will refuse to accept SMTP messages except to foo.bar.example.org.
Make sure to change rcpthosts if you add hosts to locals or virtualdomains!
`
	if out, errs := done(); out != want || errs != "" {
		t.Errorf("output %q, %q", out, errs)
	}
	for name, want := range map[string]string{
		"me": "foo.bar.example.org\n", "defaultdomain": "bar.example.org\n", "plusdomain": "example.org\n",
		"locals": "old.example\nfoo.bar.example.org\n", "rcpthosts": "foo.bar.example.org\n",
	} {
		if got := testkit.Read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
		if st, _ := os.Stat(filepath.Join(dir, name)); st.Mode().Perm() != 0o644 {
			t.Errorf("%s has mode %o", name, st.Mode().Perm())
		}
	}
}

func TestConfigFastRefuses(t *testing.T) {
	dest, dir := controlDir(t)
	for _, args := range [][]string{{"config-fast"}, {"config-fast", ""}, {"config-fast", "a b"}, {"config-fast", "a", "b"}, {"config-fast", "-x"}} {
		p, done := process(t, []string{"DESTDIR=" + dest}, args...)
		code := Run(p)
		if _, errs := done(); code != exitUsage || !strings.HasPrefix(errs, "config-fast: usage: ") {
			t.Errorf("%q: exit %d, %q", args, code, errs)
		}
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) != 0 {
		t.Errorf("files made: %v", names)
	}
	p, done := process(t, []string{"DESTDIR=/nonexistent"}, "config-fast", "a.b")
	code := Run(p)
	if _, errs := done(); code != exitFatal || errs != "config-fast: fatal: unable to open /nonexistent/var/qmail/control: file does not exist\n" {
		t.Errorf("no tree: exit %d, %q", code, errs)
	}
}

// zone answers config's questions.
type zone map[string]string

func (z zone) A(host string) ([]netip.Addr, error) {
	if ip, ok := z[host]; ok {
		return []netip.Addr{netip.MustParseAddr(ip)}, nil
	}
	return nil, errors.New("no such name")
}

func (z zone) PTR(ip netip.Addr) (string, error) {
	if name, ok := z[ip.String()]; ok {
		return name, nil
	}
	return "", errors.New("no such name")
}

func TestConfig(t *testing.T) {
	dest, dir := controlDir(t)
	z := zone{"mail.sub.example.org": "192.0.2.7", "192.0.2.7": "Mail.sub.example.org", "127.0.0.1": "localhost"}
	n := network{hostname: "mail", search: []string{"none.example", "sub.example.org."}, dns: z,
		local: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::1")}}
	p, done := process(t, []string{"DESTDIR=" + dest})
	d, err := sys.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.configure(p, d); err != nil {
		t.Fatal(err)
	}
	out, _ := done()
	for _, line := range []string{
		"Your hostname is mail.\n",
		"Your host's fully qualified name in DNS is mail.sub.example.org.\n",
		"0.0.0.0: PTR lookup failed. I assume this address has no DNS name.\n",
		"127.0.0.1: Adding localhost to control/locals...\n",
		"Now qmail will refuse to accept SMTP messages except to those hosts.\n",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("output lacks %q: %s", line, out)
		}
	}
	for name, want := range map[string]string{
		"me": "mail.sub.example.org\n", "defaultdomain": "sub.example.org\n", "plusdomain": "example.org\n",
		"locals": "localhost\nmail.sub.example.org\n", "rcpthosts": "localhost\nmail.sub.example.org\n",
	} {
		if got := testkit.Read(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestConfigWithoutNames(t *testing.T) {
	dest, dir := controlDir(t)
	d, err := sys.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for hostname, want := range map[string]string{
		"":     "Sorry, I couldn't find your hostname.\nYou will have to set up control/me yourself.\n",
		"mail": "Your hostname is mail.\nSorry, I couldn't find your host's canonical name in DNS.\nYou will have to set up control/me yourself.\n",
	} {
		p, done := process(t, []string{"DESTDIR=" + dest})
		if err := (network{hostname: hostname, dns: zone{}}).configure(p, d); err != nil {
			t.Fatal(err)
		}
		if out, _ := done(); out != want {
			t.Errorf("hostname %q: %q", hostname, out)
		}
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) != 0 {
		t.Errorf("files made: %v", names)
	}
}

func TestLinks(t *testing.T) {
	dest := t.TempDir()
	for _, d := range []string{"usr/sbin", "usr/lib", "usr/bin", "var/lib/dpkg/info"} {
		if err := os.MkdirAll(filepath.Join(dest, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(dest, "usr/sbin/sendmail")
	if err := os.WriteFile(old, []byte("old"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(old, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dest, "var/lib/dpkg/info/othermta.list")
	env := []string{"DESTDIR=" + dest}
	for _, owned := range []string{"/usr/bin/mailq", "/bin/mailq"} { // the second where /bin is a link
		if err := os.WriteFile(list, []byte("/.\n"+owned+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, done := process(t, env, "sendmail-links")
		code := Run(p)
		if _, errs := done(); code != exitFatal || errs != "sendmail-links: fatal: /usr/bin/mailq belongs to the package othermta; remove it first\n" {
			t.Errorf("%s owned by a package: exit %d, %q", owned, code, errs)
		}
		if testkit.Read(t, old) != "old" {
			t.Error("a refusal changed something")
		}
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	newaliases := filepath.Join(dest, "usr/bin/newaliases")
	for i := range 3 { // the second time newaliases is there, the third time nothing is left to do
		if text, err := os.Readlink(newaliases); i == 1 && err == nil {
			t.Errorf("newaliases, which is not installed, is a link to %s", text)
		}
		if bin := filepath.Join(dest, "var/qmail/bin"); i == 1 {
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(bin, "newaliases"), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		p, done := process(t, env, "sendmail-links")
		if code := Run(p); code != 0 {
			_, errs := done()
			t.Fatalf("exit %d, %q", code, errs)
		}
	}
	if text, err := os.Readlink(old); text != "/var/qmail/bin/sendmail" || err != nil {
		t.Errorf("link = %q, %v", text, err)
	}
	if text, err := os.Readlink(newaliases); text != "/var/qmail/bin/newaliases" || err != nil {
		t.Errorf("newaliases: link = %q, %v", text, err)
	}
	if st, err := os.Stat(old + ".old"); err != nil || st.Mode()&os.ModeSetuid != 0 || st.Mode().Perm() != 0o755 {
		t.Errorf("kept file: %v, %v", st, err)
	}
	p, _ := process(t, env, "sendmail-unlinks")
	if code := Run(p); code != 0 {
		t.Errorf("unlinks: exit %d", code)
	}
	if testkit.Read(t, old) != "old" {
		t.Error("sendmail-unlinks did not bring the old program back")
	}
	if _, err := os.Lstat(filepath.Join(dest, "usr/bin/mailq")); !os.IsNotExist(err) {
		t.Error("mailq is still there")
	}
	if _, err := os.Lstat(newaliases); !os.IsNotExist(err) {
		t.Error("newaliases is still there")
	}
}
