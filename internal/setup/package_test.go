package setup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"goqmail/internal/hier"
	"goqmail/internal/sys"
)

// buildTree makes a build tree in which every source holds the given word, and
// makes it the current directory.
func buildTree(t *testing.T, word string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, d := range []string{"man", "docs"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"man/qmail.7", "docs/X.md"} {
		if err := os.WriteFile(f, []byte(word), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	items, err := files()
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if err := os.MkdirAll(filepath.Dir(it.Source), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(it.Source, []byte(word), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contents says what the installed files hold: one word, or "mixed".
func contents(t *testing.T, root string) string {
	t.Helper()
	items, err := files()
	if err != nil {
		t.Fatal(err)
	}
	seen := ""
	for _, it := range items {
		b, err := os.ReadFile(filepath.Join(root, it.Path()))
		if err != nil {
			return "incomplete: " + it.Path()
		}
		if seen != "" && seen != string(b) {
			return "mixed"
		}
		seen = string(b)
	}
	return seen
}

// leftovers lists staged and kept files.
func leftovers(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"/.*.new", "/*/.*.new", "/*/*/.*.new", "/*/.*.old", "/*/*/.*.old"} {
		m, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m...)
	}
	return out
}

func install(root string) error { return newInstaller(root).run(whole) }

func TestPackage(t *testing.T) {
	root := filepath.Join(t.TempDir(), "dest/var/qmail")
	buildTree(t, "one")
	if err := install(root); err != nil {
		t.Fatal(err)
	}
	items, _ := files()
	for _, it := range everything(items) {
		st, err := os.Lstat(filepath.Join(root, it.Path()))
		if err != nil {
			t.Errorf("%s: %v", it.Path(), err)
			continue
		}
		if got := uint32(st.Mode().Perm()); got != it.Mode&0o777 {
			t.Errorf("%s has mode %o, want %o", it.Path(), got, it.Mode)
		}
		if it.Type == hier.Data && st.Size() != int64(it.Size) {
			t.Errorf("%s has %d bytes, want %d", it.Path(), st.Size(), it.Size)
		}
	}
	if st, _ := os.Stat(filepath.Join(root, "bin/qmail-queue")); st.Mode()&os.ModeSetuid == 0 {
		t.Error("qmail-queue is not setuid")
	}
	if got := contents(t, root); got != "one" || len(leftovers(t, root)) != 0 {
		t.Errorf("contents %q, left %v", got, leftovers(t, root))
	}
}

func TestPackageOnLiveSystem(t *testing.T) {
	root := t.TempDir()
	buildTree(t, "one")
	if err := install(root); err != nil {
		t.Fatal(err)
	}
	tcpto, mutex := filepath.Join(root, "queue/lock/tcpto"), filepath.Join(root, "queue/lock/sendmutex")
	if err := os.WriteFile(tcpto, []byte("in use"), 0o644); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(mutex)
	buildTree(t, "two")
	if err := install(root); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(mutex)
	if b, _ := os.ReadFile(tcpto); string(b) != "in use" || !os.SameFile(before, after) {
		t.Errorf("lock files were replaced: tcpto %q", b)
	}
	if got := contents(t, root); got != "two" {
		t.Errorf("contents %q after the upgrade", got)
	}
}

func TestPackageFailureKeepsOldPrograms(t *testing.T) {
	tests := []struct {
		name string
		harm func(root string) error
	}{
		{"source missing", func(string) error { return os.Remove("build/qmail-queue") }},
		{"source unreadable", func(string) error {
			if err := os.Remove("build/qmail-send"); err != nil {
				return err
			}
			return os.Mkdir("build/qmail-send", 0o755)
		}},
		{"target cannot be replaced", func(root string) error {
			q := filepath.Join(root, "bin/qmail-queue")
			if err := os.Remove(q); err != nil {
				return err
			}
			return os.MkdirAll(q+"/full", 0o755)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			buildTree(t, "one")
			if err := install(root); err != nil {
				t.Fatal(err)
			}
			buildTree(t, "two")
			if err := tt.harm(root); err != nil {
				t.Fatal(err)
			}
			if err := install(root); err == nil {
				t.Fatal("no error")
			}
			for _, name := range []string{"bin/qmail-send", "bin/sendmail", "man/man7/qmail.7", "boot/home"} {
				if b, _ := os.ReadFile(filepath.Join(root, name)); string(b) != "one" {
					t.Errorf("%s = %q, want the old one", name, b)
				}
			}
			if left := leftovers(t, root); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestQueueOnlyNeedsTheHome(t *testing.T) {
	root := filepath.Join(t.TempDir(), "none")
	if err := newInstaller(root).run(queueOnly); err == nil || err.Error() != "unable to switch to "+root+": file does not exist" {
		t.Errorf("error = %v", err)
	}
}

// TestSeveralNames: further names of a program are the same file, also over an older
// tree that has none of them, or has files of its own there; and uninstall
// takes them away.
func TestSeveralNames(t *testing.T) {
	dest := t.TempDir()
	root := dest + "/var/qmail"
	names := 0
	check := func() {
		t.Helper()
		for _, it := range hier.Programs() {
			if it.SameAs == "" {
				continue
			}
			names++
			a, err := os.Lstat(filepath.Join(root, it.Path()))
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.Lstat(filepath.Join(root, it.Dir, it.SameAs))
			if err != nil || !os.SameFile(a, b) {
				t.Errorf("%s is not %s: %v", it.Path(), it.SameAs, err)
			}
		}
	}
	for i, word := range []string{"one", "two", "three", "four"} {
		buildTree(t, word)
		if i == 2 {
			for _, it := range hier.Programs() {
				if it.SameAs != "" {
					if err := os.Remove(filepath.Join(root, it.Path())); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if i == 3 {
			if err := os.Remove(root + "/bin/zoverall"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+"/bin/zoverall", []byte("old"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := install(root); err != nil {
			t.Fatal(err)
		}
		check()
		if got := contents(t, root); got != word || len(leftovers(t, root)) != 0 {
			t.Errorf("contents %q, want %q; left %v", got, word, leftovers(t, root))
		}
	}
	if names < 4*14 {
		t.Errorf("only %d links in four trees", names)
	}
	p, done := process(t, []string{"DESTDIR=" + dest}, "uninstall")
	code := Run(p)
	if _, errs := done(); code != 0 || errs != "" {
		t.Errorf("uninstall: exit %d, %q", code, errs)
	}
	if _, err := os.Lstat(root + "/bin"); !os.IsNotExist(err) {
		t.Error("bin is still there")
	}
}

// TestUninstallAfterInterruptedSetup: an interrupted setup may leave copies
// under staging names; uninstall removes these too.
func TestUninstallAfterInterruptedSetup(t *testing.T) {
	dest := t.TempDir()
	root := dest + "/var/qmail"
	buildTree(t, "one")
	if err := install(root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/.qmail-queue.old", "bin/.qmail-send.new", "man/man7/.qmail.7.new"} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, done := process(t, []string{"DESTDIR=" + dest}, "uninstall")
	code := Run(p)
	if _, errs := done(); code != 0 || errs != "" {
		t.Errorf("uninstall: exit %d, %q", code, errs)
	}
	for _, gone := range []string{"bin", "boot", "man", "doc"} {
		if _, err := os.Lstat(filepath.Join(root, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", gone)
		}
	}
	if _, err := os.Stat(root + "/queue/mess/0"); err != nil {
		t.Errorf("the queue: %v", err)
	}
}

// TestSymbolicLinks: a directory of the home may be elsewhere; below the queue,
// where qmailq can write, a link is refused and what it names keeps its rights.
func TestSymbolicLinks(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	buildTree(t, "one")
	if err := os.Symlink(other, root+"/queue"); err != nil {
		t.Fatal(err)
	}
	if err := install(root); err != nil {
		t.Fatalf("the queue elsewhere: %v", err)
	}
	if st, err := os.Stat(other); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("the queue elsewhere: %v, %v", st.Mode(), err)
	}
	secret := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tcpto", "sendmutex", "trigger"} {
		path := root + "/queue/lock/" + name
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(secret, path); err != nil {
			t.Fatal(err)
		}
		if err := install(root); err == nil || err.Error() != "unable to open "+path+": symbolic link loop" {
			t.Errorf("%s is a link: %v", name, err)
		}
		if st, err := os.Stat(secret); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: the other file has mode %v, %v", name, st.Mode(), err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoHardLinks(t *testing.T) {
	root := t.TempDir()
	buildTree(t, "one")
	// The second name cannot be made, as where the file system has no links.
	if err := os.MkdirAll(filepath.Join(root, "queue/lock/.link-test2/full"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := install(root)
	if want := "unable to make hard links below " + root + "/queue: file already exists"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	if names, _ := os.ReadDir(filepath.Join(root, "bin")); len(names) != 0 {
		t.Errorf("%d programs were installed all the same", len(names))
	}
}

// TestParts: a package carries programs and texts, without rights that only its
// configuration can give; the rest is made on the machine, and both are the
// whole.
func TestParts(t *testing.T) {
	root := filepath.Join(t.TempDir(), "var/qmail")
	buildTree(t, "one")
	if err := newInstaller(root).run(packaged); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"queue", "control", "users", "alias"} {
		if _, err := os.Lstat(filepath.Join(root, dir)); !os.IsNotExist(err) {
			t.Errorf("a package has %s", dir)
		}
	}
	if st, err := os.Stat(filepath.Join(root, "bin/qmail-queue")); err != nil || st.Mode() != 0o711 {
		t.Errorf("qmail-queue of a package: %v, %v", st.Mode(), err)
	}
	if err := newInstaller(root).run(state); err != nil {
		t.Fatal(err)
	}
	items, err := files()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := sys.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	own, err := installedFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := func(items []hier.Item) (out []string) {
		for _, it := range items {
			out = append(out, it.Path())
		}
		slices.Sort(out)
		return out
	}
	if a, b := names(items), names(own); !slices.Equal(a, b) {
		t.Errorf("the tree has %v, the build tree %v", b, a)
	}
	for _, it := range everything(items) {
		if _, err := os.Lstat(filepath.Join(root, it.Path())); err != nil {
			t.Error(err)
		}
	}
	for _, args := range [][]string{{"x"}, {"package", "state"}, {"queue-only", ""}, {""}} {
		p, done := process(t, nil, append([]string{"instpackage"}, args...)...)
		code := Run(p)
		if _, errs := done(); code != exitUsage || errs != "instpackage: usage: instpackage [ queue-only | package | state ]\n" {
			t.Errorf("instpackage %q: exit %d, %q", args, code, errs)
		}
	}
}
