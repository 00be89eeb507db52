package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/hier"
	"goqmail/internal/testkit"
)

// nullTree makes a build tree and a directory in which the home will be.
func nullTree(t *testing.T) (env []string, root string) {
	t.Helper()
	buildTree(t, "one")
	for _, f := range []string{"man/qmail-inject.8", "man/qmail-send.8", "docs/NULLCLIENT.md"} {
		if err := os.WriteFile(f, []byte("one"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dest := t.TempDir()
	return []string{"DESTDIR=" + dest}, dest + "/var/qmail"
}

// try runs a sub-command.
func try(t *testing.T, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	p, done := process(t, env, args...)
	code = Run(p)
	out, errs = done()
	return code, out, errs
}

func TestNullClient(t *testing.T) {
	env, root := nullTree(t)
	code, out, errs := try(t, env, "nullclient", "Leaf.Example.ORG", "", "192.0.2.1", "192.0.2.2")
	if code != 0 || errs != "" || strings.Count(out, " made\n") != 6 {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	if text, err := os.Readlink(root + "/bin/qmail-queue"); text != "qmail-qmqpc" || err != nil {
		t.Errorf("bin/qmail-queue -> %q, %v", text, err)
	}
	for name, want := range map[string]string{
		"me": "leaf.example.org\n", "idhost": "leaf.example.org\n", "defaulthost": "leaf.example.org\n",
		"defaultdomain": "example.org\n", "plusdomain": "example.org\n", "qmqpservers": "192.0.2.1\n192.0.2.2\n",
	} {
		if got := testkit.Read(t, filepath.Join(root, "control", name)); got != want {
			t.Errorf("control/%s = %q, want %q", name, got, want)
		}
		if st, _ := os.Stat(filepath.Join(root, "control", name)); st.Mode().Perm() != 0o644 {
			t.Errorf("control/%s has mode %o", name, st.Mode().Perm())
		}
	}
	var found []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(path, "/control/") {
			found = append(found, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if strings.HasPrefix(f, "bin/qmail-send") || strings.HasPrefix(f, "boot/") || f == "man/man8/qmail-send.8" {
			t.Errorf("a null client has %s", f)
		}
	}
	// Again, as an upgrade with other values: what exists stays.
	if code, out, errs = try(t, env, "nullclient", "other.example", "site.example", "192.0.2.3"); code != 0 || out != "" || errs != "" {
		t.Errorf("again: exit %d, %q, %q", code, out, errs)
	}
	if got := testkit.Read(t, root+"/control/me"); got != "leaf.example.org\n" {
		t.Errorf("control/me became %q", got)
	}
	// A full installation is not put over it.
	code, _, errs = try(t, env, "instpackage", "queue-only")
	if want := "instfiles: fatal: " + root + " is a null client; "; code != exitFatal || !strings.HasPrefix(errs, want) {
		t.Errorf("instpackage: exit %d, %q", code, errs)
	}
	if code, _, errs := try(t, env, "uninstall"); code != 0 || errs != "" {
		t.Errorf("uninstall: exit %d, %q", code, errs)
	}
	if names, _ := filepath.Glob(root + "/*"); len(names) != 1 || names[0] != root+"/control" {
		t.Errorf("uninstall left %v", names)
	}
}

func TestNullClientSite(t *testing.T) {
	env, root := nullTree(t)
	code, out, errs := try(t, env, "nullclient", "leaf.example.org", "example.org")
	if code != 0 || errs != "" || !strings.Contains(out, "/control/qmqpservers is missing: no mail can be sent") {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	for name, want := range map[string]string{"idhost": "leaf.example.org\n", "defaulthost": "example.org\n", "defaultdomain": "example.org\n", "plusdomain": "example.org\n"} {
		if got := testkit.Read(t, filepath.Join(root, "control", name)); got != want {
			t.Errorf("control/%s = %q, want %q", name, got, want)
		}
	}
}

func TestNullClientCheck(t *testing.T) {
	env, root := nullTree(t)
	if code, _, errs := try(t, env, "nullclient"); code != 0 {
		t.Fatalf("exit %d, %q", code, errs)
	}
	check := func() string {
		t.Helper()
		code, _, errs := try(t, env, "instcheck")
		if code != 0 {
			t.Errorf("instcheck: exit %d, %q", code, errs)
		}
		var kept []string
		for line := range strings.Lines(errs) { // owners are only right for root
			if !strings.HasSuffix(line, " has wrong owner\n") && !strings.HasSuffix(line, " has wrong group\n") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	if got := check(); got != "" {
		t.Errorf("a fresh null client: %s", got)
	}
	if err := os.Chmod(root+"/bin/sendmail", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root + "/bin/qmail-qmqpc"); err != nil {
		t.Fatal(err)
	}
	if got, want := check(), "instcheck: warning: .../bin/sendmail has wrong permissions\ninstcheck: warning: .../bin/qmail-qmqpc does not exist\n"; !sameLines(got, want) {
		t.Errorf("instcheck says %q, want %q", got, want)
	}
	link := hier.Item{Dir: "bin", Name: "qmail-queue", Type: hier.Link, Target: "qmail-qmqpc"}
	for name, want := range map[string]string{"bin/none": " does not exist", "bin/sendmail": " is not a link to qmail-qmqpc", "bin/qmail-queue": ""} {
		got := ""
		for _, w := range compareLink(root+"/"+name, link) {
			got += w.after
		}
		if got != want {
			t.Errorf("compareLink(%s) says %q, want %q", name, got, want)
		}
	}
}

// sameLines compares texts whose lines may come in any order.
func sameLines(a, b string) bool {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestNullClientRefuses(t *testing.T) {
	env, root := nullTree(t)
	for _, args := range [][]string{{"a b"}, {"a", ":x"}, {"a", "b", "name"}, {"a", "b", "::1"}, {"a", "b", ""}} {
		if code, _, errs := try(t, env, append([]string{"nullclient"}, args...)...); code != exitUsage || !strings.HasPrefix(errs, "nullclient: no ") {
			t.Errorf("%q: exit %d, %q", args, code, errs)
		}
	}
	for _, name := range []string{"bin/qmail-queue", "queue/x"} {
		if err := os.MkdirAll(filepath.Dir(root+"/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+"/"+name, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		shown := root + "/" + strings.TrimSuffix(name, "/x")
		code, _, errs := try(t, env, "nullclient", "a.b")
		if want := "nullclient: fatal: " + shown + " exists: this is a full installation, and a null client has no queue\n"; code != exitFatal || errs != want {
			t.Errorf("%s: exit %d, %q, want %q", name, code, errs, want)
		}
		if names, _ := filepath.Glob(root + "/bin/sendmail"); len(names) != 0 {
			t.Errorf("a refusal installed %v", names)
		}
		if err := os.Remove(root + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigure(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root gives every file its owner; test/install looks at that")
	}
	dest, dir := controlDir(t)
	if err := os.Mkdir(filepath.Join(filepath.Dir(dir), "alias"), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"DESTDIR=" + dest}
	code, out, errs := try(t, env, "configure", "Mail.example.org")
	if code != 0 || errs != "" || strings.Count(out, " made\n") != 14 {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if got := testkit.Read(t, dir+"/rcpthosts"); got != "mail.example.org\n" {
		t.Errorf("rcpthosts = %q", got)
	}
	if code, out, errs := try(t, env, "configure", "other.example"); code != 0 || out != "" || errs != "" {
		t.Errorf("again: exit %d, %q, %q", code, out, errs)
	}
	if err := os.Remove(dir + "/rcpthosts"); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := try(t, env, "configure", "a.b"); code != exitFatal || !strings.HasSuffix(errs, ": SMTP would take mail for every host in the world\n") {
		t.Errorf("without rcpthosts: exit %d, %q", code, errs)
	}
}
