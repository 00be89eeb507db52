//go:build e2e

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// goEnv asks the machine's go command for a variable, before the world hides
// the machine.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// onNew runs f in a world without the suite and its accounts, with the project's
// sources, Go and its caches. Whoever writes there changes nothing outside.
func onNew(t *testing.T, f func(b *bed)) {
	t.Helper()
	w := world()
	w.Bare, w.Sendmail = true, false
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		top, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCS_GOROOT", goEnv(t, "GOROOT"))
		w.Binds = []testkit.Bind{
			{From: top, To: "/mnt/project"},
			{From: goEnv(t, "GOCACHE"), To: "/mnt/gocache"},
			{From: goEnv(t, "GOMODCACHE"), To: "/mnt/gomod"},
		}
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		for name, value := range map[string]string{
			"GOCACHE": "/tmp/gocache", "GOMODCACHE": "/tmp/gomod", "HOME": "/root", "GOFLAGS": "", "MAKEFLAGS": "", "MAKELEVEL": "0",
			"PATH": os.Getenv("DOCS_GOROOT") + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		} {
			t.Setenv(name, value)
		}
		b := &bed{T: t, shells: map[string]*sh{}}
		b.etc()
		b.overlay("/mnt/project", sources)
		b.overlay("/mnt/gocache", "/tmp/gocache")
		b.overlay("/mnt/gomod", "/tmp/gomod")
		for _, u := range people {
			b.must(os.Mkdir(u.Home, 0o755))
			b.own(u.Home, u)
		}
		f(b)
	})
}

// overlay mounts a copy of a read-only directory that can be written.
func (b *bed) overlay(lower, at string) {
	b.Helper()
	layer := "/tmp/layers/" + filepath.Base(at)
	b.root("mkdir -p " + at + " " + layer + "/up " + layer + "/work\n" +
		"mount -t overlay overlay -o lowerdir=" + lower + ",upperdir=" + layer + "/up,workdir=" + layer + "/work " + at)
}
