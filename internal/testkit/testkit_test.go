package testkit

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) {
	Fakes{
		"echo": func() int {
			in, _ := io.ReadAll(os.Stdin)
			_, _ = os.Stdout.WriteString(strings.Join(os.Args[1:], "|") + "<" + string(in) + ">")
			return 3
		},
	}.Play()
	os.Exit(m.Run())
}

func TestHome(t *testing.T) {
	h := NewHome(t)
	if got := h.Files(); len(got) != 0 {
		t.Errorf("Files() of a new home = %q, want none", got)
	}
	n := h.AddMessage("x\n")
	h.Write("queue/todo/junk", "")
	if err := os.Mkdir(h.Path("queue/mess/023"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{SplitPath("mess", n), "mess/023/", "todo/junk"}
	got := h.Files()
	if len(got) != len(want) {
		t.Fatalf("Files() = %q, want %q", got, want)
	}
	for _, w := range want {
		if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
			t.Errorf("Files() = %q, want %q in it", got, w)
		}
	}
	if s, ok := h.Read("queue/" + want[0]); s != "x\n" || !ok {
		t.Errorf("Read(%s) = %q, %v", want[0], s, ok)
	}
	if _, ok := h.Read("control/me"); ok {
		t.Error("Read(control/me) found a file")
	}
	for path, mode := range map[string]string{
		"queue": "drwxr-x---", "queue/mess/22": "drwxr-x---", "queue/info/0": "drwx------",
		"queue/lock/trigger": "prw--w--w-", "queue/lock/tcpto": "-rw-r--r--", "queue/lock/sendmutex": "-rw-------",
	} {
		fi, err := os.Stat(h.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().String() != mode {
			t.Errorf("mode of %s = %v, want %s", path, fi.Mode(), mode)
		}
	}
}

func TestSplitPath(t *testing.T) {
	if got := SplitPath("mess", 457); got != "mess/20/457" {
		t.Errorf("SplitPath(mess, 457) = %s, want mess/20/457", got)
	}
}

func TestFakes(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(Fake(t, filepath.Join(dir, "fake"), "echo"), "a b", "'")
	cmd.Stdin = strings.NewReader("in")
	out, err := cmd.Output()
	var x *exec.ExitError
	if string(out) != "a b|'<in>" || !errors.As(err, &x) || x.ExitCode() != 3 {
		t.Errorf("fake program: %q, %v; want \"a b|'<in>\", exit status 3", out, err)
	}
	if err := exec.Command(Fake(t, filepath.Join(dir, "none"), "no such")).Run(); err == nil || err.Error() != "exit status 127" {
		t.Errorf("fake program without function: %v, want exit status 127", err)
	}
}

func TestRecorder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("env\x00"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(Recorder(t, filepath.Join(dir, "qq"), dir+"/rec", "31"), "x", "y")
	cmd.Stdin = strings.NewReader("message")
	cmd.Stdout = r
	if err := cmd.Run(); err == nil || err.Error() != "exit status 31" {
		t.Errorf("recorder: %v, want exit status 31", err)
	}
	for name, want := range map[string]string{"args": "x\ny\n", "0": "message", "1": "env\x00"} {
		if got, err := os.ReadFile(dir + "/rec/" + name); string(got) != want || err != nil {
			t.Errorf("recorder's %s = %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestFailing(t *testing.T) {
	dir := t.TempDir()
	p := func(s string) string { return filepath.Join(dir, s) }
	Occupied(t, p("a/occ"))
	NotDir(t, p("b/not"))
	Looping(t, p("c/loop"))
	Full(t, p("d/full"))
	Unreadable(t, p("e/un"), "secret")
	unreadable := error(syscall.EACCES)
	if os.Geteuid() == 0 {
		unreadable = syscall.ELOOP
	}
	open := func(name string, flag int) error {
		f, err := os.OpenFile(p(name), flag, 0o600)
		if err == nil {
			_, err = f.WriteString("x")
			_ = f.Close()
		}
		return err
	}
	tests := []struct {
		what string
		got  error
		want error
	}{
		{"open an occupied name", open("a/occ", os.O_WRONLY), syscall.EISDIR},
		{"create an occupied name", open("a/occ", os.O_WRONLY|os.O_CREATE|os.O_EXCL), syscall.EEXIST},
		{"rmdir an occupied name", syscall.Rmdir(p("a/occ")), syscall.ENOTEMPTY},
		{"open below a file", open("b/not/x", os.O_WRONLY), syscall.ENOTDIR},
		{"open a loop", open("c/loop", os.O_WRONLY), syscall.ELOOP},
		{"write to a full disk", open("d/full", os.O_WRONLY), syscall.ENOSPC},
		{"open an unreadable file", open("e/un", os.O_RDONLY), unreadable},
	}
	for _, tt := range tests {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, tt.got, tt.want)
		}
	}
	if err := syscall.Unlink(p("a/occ")); err != syscall.EISDIR && err != syscall.EPERM {
		t.Errorf("unlink an occupied name: %v, want EISDIR or EPERM", err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if !ReadOnly(t, dir) {
		if os.Geteuid() != 0 {
			t.Error("ReadOnly() = false for an ordinary user")
		}
		return
	}
	if err := os.Mkdir(dir+"/x", 0o755); !errors.Is(err, syscall.EACCES) {
		t.Errorf("mkdir in a read-only directory: %v, want EACCES", err)
	}
}

func TestBrokenPipe(t *testing.T) {
	if _, err := BrokenPipe(t).WriteString("x"); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a broken pipe: %v, want EPIPE", err)
	}
}

func TestIDMap(t *testing.T) {
	m := newIDMap("qmailq:x:64015:64010::/var/qmail:/bin/sh\n", "qmail:x:64010:\nother:x:1:\n")
	if u, g, err := m.owner(64015, 64010); u != UIDQueue || g != GIDQmail || err != nil {
		t.Errorf("owner(64015, 64010) = %d, %d, %v; want %d, %d", u, g, err, UIDQueue, GIDQmail)
	}
	if u, g, err := m.owner(0, GIDNofiles); u != 0 || g != GIDNofiles || err != nil {
		t.Errorf("owner(0, %d) = %d, %d, %v", GIDNofiles, u, g, err)
	}
	if _, _, err := m.owner(1000, 0); err == nil {
		t.Error("owner(1000, 0): no error")
	}
	if m.same() || !newIDMap("", "").same() {
		t.Errorf("same() = %v, %v; want false, true", m.same(), newIDMap("", "").same())
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		out string
		ok  bool
	}{
		{"=== RUN   TestX\n--- PASS: TestX (0.00s)\nPASS\n", true},
		{"--- PASS: TestX (0.00s)\n    --- SKIP: TestX/a (0.00s)\nPASS\n", false},
		{"--- SKIP: TestX (0.00s)\nPASS\n", false},
		{"testing: warning: no tests to run\nPASS\n", false},
		{"--- PASS: TestXY (0.00s)\n", false},
	}
	for _, tt := range tests {
		if err := judge(tt.out, "TestX/a"); (err == nil) != tt.ok {
			t.Errorf("judge(%q) = %v, want ok %v", tt.out, err, tt.ok)
		}
	}
	if got := remarks("=== RUN   TestX\n=== RUN   TestX/a\n    x.go:3: hm\n--- PASS: TestX (0.00s)\n    --- PASS: TestX/a (0.00s)\nPASS\n"); got != "    x.go:3: hm\n" {
		t.Errorf("remarks() = %q", got)
	}
	if got, want := exactly("TestA/b.c/d"), `^TestA$/^b\.c$/^d$`; got != want {
		t.Errorf("exactly() = %s, want %s", got, want)
	}
}

func TestWorld(t *testing.T) {
	w := World{
		Host:  "mx.example",
		Addrs: []string{"10.11.12.13"},
		Users: []User{{Name: "joe", UID: 5001, GID: 5001, Home: "/home/joe"}},
		Hosts: "192.0.2.1 far.example\n",
	}
	InWorld(t, w, func(t *testing.T) {
		if h, err := os.Hostname(); h != "mx.example" || err != nil {
			t.Errorf("host name = %q, %v", h, err)
		}
		if os.Getpid() != 1 {
			t.Errorf("pid = %d, want 1", os.Getpid())
		}
		for _, path := range []string{"/usr/testkit", "/testkit", "/usr/bin/testkit", "testkit-here"} {
			if err := os.WriteFile(path, nil, 0o644); !errors.Is(err, syscall.EROFS) {
				t.Errorf("write %s: %v, want EROFS", path, err)
			}
		}
		for _, path := range []string{"/etc/x", "/var/x", "/home/x", "/root/x", "/run/x", "/tmp/x", "/mnt/x", "/dev/x", "/var/qmail/x"} {
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Errorf("write in a world's own directory: %v", err)
			}
		}
		b, err := os.ReadFile("/etc/passwd")
		for _, line := range []string{"root:x:0:0:root:/root:/bin/sh\n", "qmails:x:7796:2107::/var/qmail:/bin/true\n", "joe:x:5001:5001::/home/joe:/bin/sh\n"} {
			if err != nil || !strings.Contains(string(b), line) {
				t.Errorf("passwd = %q, %v; want %q in it", b, err, line)
			}
		}
		out, err := exec.Command("/bin/sh", "-c", "echo $$ >/dev/null && cat /proc/net/fib_trie && getent hosts far.example").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "10.11.12.13") || !strings.Contains(string(out), "127.0.0.1") || !strings.Contains(string(out), "192.0.2.1") {
			t.Errorf("addresses: %s, %v; want 10.11.12.13, 127.0.0.1 and 192.0.2.1 in it", out, err)
		}
		h := NewHome(t)
		fi, err := os.Stat(h.Path("queue/info/3"))
		if err != nil || fi.Sys().(*syscall.Stat_t).Uid != UIDSend || fi.Sys().(*syscall.Stat_t).Gid != GIDQmail {
			t.Errorf("info/3 of a home: %+v, %v", fi, err)
		}
		if !Inside() {
			t.Error("Inside() = false")
		}
		SmallDisk(t, "/mnt/small", 1<<16)
		if err := os.WriteFile("/mnt/small/x", make([]byte, 1<<17), 0o644); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write more than fits on a small disk: %v, want ENOSPC", err)
		}
		ReadOnlyMount(t, "/mnt/small")
		if err := os.Remove("/mnt/small/x"); !errors.Is(err, syscall.EROFS) {
			t.Errorf("unlink on a read-only mount: %v, want EROFS", err)
		}
	})
}

// A tree is shown with its owners translated and its setuid bit alive.
func TestWorldTree(t *testing.T) {
	dir := "" // in the world the machine's path is of no use
	w := World{}
	if !Inside() && os.Geteuid() == 0 {
		dir = t.TempDir()
		w.Tree = dir
		w.Empty = true
		for _, f := range []struct {
			name string
			mode uint32
			uid  int
		}{{"bin/qmail-queue", 0o4711, UIDQueue}, {"control/me", 0o644, 0}, {"boot/home", 0o755, 0}} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.name)), 0o755); err != nil {
				t.Fatal(err)
			}
			Script(t, filepath.Join(dir, f.name), "exit 7")
			if err := os.Chown(filepath.Join(dir, f.name), f.uid, GIDQmail); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Chmod(filepath.Join(dir, f.name), f.mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := MakeQueue(dir + "/queue"); err != nil {
			t.Fatal(err)
		}
	}
	InWorld(t, w, func(t *testing.T) {
		var st syscall.Stat_t
		if err := syscall.Stat("/var/qmail/bin/qmail-queue", &st); err != nil {
			t.Fatal(err)
		}
		if st.Mode != syscall.S_IFREG|0o4711 || st.Uid != UIDQueue || st.Gid != GIDQmail {
			t.Errorf("qmail-queue: mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
		}
		if err := os.WriteFile("/var/qmail/bin/x", nil, 0o644); !errors.Is(err, syscall.EROFS) {
			t.Errorf("write in the tree's bin: %v, want EROFS", err)
		}
		names, err := readNames("/var/qmail")
		if want := []string{"bin", "boot", "control", "queue"}; err != nil || !reflect.DeepEqual(names, want) {
			t.Errorf("/var/qmail has %q, %v; want %q", names, err, want)
		}
		if names, err := readNames("/var/qmail/control"); err != nil || len(names) != 0 {
			t.Errorf("control has %q, %v; want nothing", names, err)
		}
		fi, err := os.Stat("/var/qmail/queue/lock/trigger")
		if err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("lock/trigger: %v, %v", fi, err)
		}
	})
}
