//go:build e2e

package install_test

import (
	"os"
	"strings"
	"testing"
)

// archive runs make dist in a directory and returns the archive's name.
func archive(t *testing.T, dir string, env ...string) string {
	t.Helper()
	out := must(t, dir, "env", append(env, "make", "-s", "--no-print-directory", "dist")...)
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "build/goqmail-") {
			return dir + "/" + line
		}
	}
	t.Fatalf("make dist: %s", out)
	return ""
}

// TestDist: two clones, with another umask, user, time zone and time, give the
// same bytes, and so does the unpacked archive, which also builds.
func TestDist(t *testing.T) {
	fresh(t, func(t *testing.T) {
		if _, err := os.Stat(src + "/.git"); err == nil {
			git := func(args ...string) {
				t.Helper()
				must(t, "/", "git", append([]string{"-c", "safe.directory=*"}, args...)...)
			}
			must(t, "/", "sh", "-c", "umask 077; git -c 'safe.directory=*' clone -q --no-hardlinks "+src+" /tmp/one")
			git("clone", "-q", "--no-hardlinks", src, "/tmp/two")
			must(t, "/", "chown", "-R", "1001:1001", "/tmp/two")
			for _, dir := range []string{"/tmp/one", "/tmp/two"} { // of sources that are not committed yet, these
				for _, f := range []string{"Makefile", "scripts/dist", "scripts/source-date"} {
					must(t, "/", "cp", src+"/"+f, dir+"/"+f)
				}
			}
			first := archive(t, "/tmp/one")
			must(t, "/tmp/two", "setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", "env", "TZ=Asia/Tokyo", "HOME=/home/ann", "sh", "-c", "umask 002; make -s dist")
			must(t, "/", "cmp", first, strings.Replace(first, "/one/", "/two/", 1))
			must(t, "/", "sh", "-c", "mkdir /tmp/un && tar -xzf "+first+" -C /tmp/un && mv /tmp/un/* /tmp/unpacked")
			for _, f := range []string{"Makefile", "scripts/dist", "scripts/source-date"} {
				must(t, "/", "cp", "/tmp/one/"+f, "/tmp/unpacked/"+f)
			}
		} else {
			must(t, "/", "cp", "-r", src, "/tmp/unpacked") // the tests come from an archive themselves
		}
		a := archive(t, "/tmp/unpacked", "TZ=America/Lima")
		must(t, "/", "sh", "-c", "mkdir /tmp/un2 && tar -xzf "+a+" -C /tmp/un2 && mv /tmp/un2/* /tmp/again")
		must(t, "/", "cmp", a, archive(t, "/tmp/again"))
		if _, err := os.Stat(src + "/.git"); err == nil {
			rows := must(t, "/", "tar", "-tvzf", a)
			for _, row := range strings.Split(rows, "\n") {
				f := strings.Fields(row)
				if len(f) > 5 && (f[1] != "0/0" && f[1] != "root/root" || f[0] != "-rw-r--r--" && f[0] != "-rwxr-xr-x" && f[0] != "drwxr-xr-x" && f[0][0] != 'l') {
					t.Errorf("in the archive: %s", row)
				}
			}
			must(t, "/tmp/unpacked", "touch", "stray")
			if strings.Contains(must(t, "/", "tar", "-tzf", archive(t, "/tmp/unpacked")), "stray") {
				t.Error("a file that is not in MANIFEST is in the archive")
			}
		}
		must(t, "/tmp/again", "make", "-s")
		must(t, "/tmp/again", "go", "vet", "-tags", "e2e", "./test/install")
		if out := must(t, "/tmp/again", "build/install", "version"); out == "devel\n" {
			t.Errorf("version %s", out)
		}
		for what, want := range map[string]string{
			"rm MANIFEST":          "source-date: neither a clone, with .git, nor an unpacked archive, with MANIFEST; set SOURCE_DATE_EPOCH\n",
			"echo gone >>MANIFEST": "dist: gone is in MANIFEST and missing\n",
		} {
			must(t, "/", "cp", "/tmp/again/MANIFEST", "/tmp/MANIFEST")
			must(t, "/tmp/again", "sh", "-c", what)
			if out, code := run(t, "/tmp/again", "sh", "scripts/dist"); code != 1 || out != want {
				t.Errorf("%s: exit %d, %q, want %q", what, code, out, want)
			}
			must(t, "/", "cp", "/tmp/MANIFEST", "/tmp/again/MANIFEST")
		}
	})
}
