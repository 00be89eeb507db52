//go:build e2e

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// wholeMachine shows the machine's root file system to a world, for newRoot.
var wholeMachine = []testkit.Bind{{From: "/", To: "/mnt/machine"}}

// A root is a root directory of its own: a copy of the machine's that can be
// written to, without the suite, its accounts, and other mail servers.
type root struct {
	*testing.T
	dir string
}

// newRoot makes a root. The world needs wholeMachine.
func newRoot(t *testing.T, name string) *root {
	t.Helper()
	r := &root{t, "/tmp/root/" + name}
	testkit.Overlay(t, "/mnt/machine", r.dir)
	for _, d := range []string{"proc", "dev", "tmp", "run"} {
		if err := os.MkdirAll(r.dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "/", "mount", "-t", "proc", "proc", r.dir+"/proc")
	must(t, "/", "mount", "--rbind", "/dev", r.dir+"/dev")
	must(t, "/", "mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", r.dir+"/tmp")
	must(t, "/", "mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", r.dir+"/run")
	r.must("sh", "-c", `rm -rf /var/qmail /var/log/qmail /etc/mailname /usr/sbin/policy-rc.d
for f in passwd group shadow gshadow; do
	[ ! -f /etc/$f ] || sed -i -E '/^(alias|qmail[dlpqrs]|qmail|nofiles):/d' /etc/$f
done`)
	return r
}

// run runs a command in the root.
func (r *root) run(args ...string) (string, int) {
	r.Helper()
	return run(r.T, "/", "chroot", append([]string{r.dir, "/usr/bin/env", "-i", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, args...)...)
}

// must runs a command in the root that has to succeed.
func (r *root) must(args ...string) string {
	r.Helper()
	out, code := r.run(args...)
	if code != 0 {
		r.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// read is the content of a file of the root, "" if there is none.
func (r *root) read(path string) string {
	r.Helper()
	b, err := os.ReadFile(r.dir + path)
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	return string(b)
}

// has tells whether a name exists in the root.
func (r *root) has(path string) bool {
	_, err := os.Lstat(r.dir + path)
	return err == nil
}

// write makes a file in the root.
func (r *root) write(path, text string) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(r.dir+path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(r.dir+path, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// sendmail gives a message to /usr/sbin/sendmail.
func (r *root) sendmail(to, text string) {
	r.Helper()
	cmd := exec.Command("chroot", r.dir, "/usr/sbin/sendmail", to)
	cmd.Stdin = strings.NewReader("Subject: x\n\n" + text + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("sendmail: %v %s", err, out)
	}
}

// arrived waits for a message in postmaster's Maildir.
func (r *root) arrived(text string) {
	r.Helper()
	eventually(r.T, "a message with "+text, func() bool {
		out, _ := r.run("grep", "-rlF", text, home+"/alias/Maildir/new")
		return out != ""
	})
}
