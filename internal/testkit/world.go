package testkit

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A World describes the private surroundings of a test that runs as root. The
// zero World is a machine with the suite's accounts, host name "test.example",
// a loopback interface, and no installed suite.
type World struct {
	Host   string   // host name; "" is test.example
	Addrs  []string // IPv4 addresses of lo besides 127.0.0.1
	Users  []User   // accounts besides root and the suite's
	Groups []Group  // groups besides root and the suite's
	Bare   bool     // leave the suite's accounts and groups out, and the peers
	Hosts  string   // lines of /etc/hosts after that of localhost
	Resolv string   // /etc/resolv.conf; "" is 127.0.0.1 with a short time limit
	Tree   string   // an installed tree; a copy of it becomes /var/qmail
	Empty  bool     // of Tree, leave out the files in control, users and alias
	Binds  []Bind   // more of the real machine's files

	// Sendmail makes the names that programs send mail with lead to the
	// suite, as "make sendmail-links" does.
	Sendmail bool
}

// A Bind makes a file or directory of the real machine visible in a world. It
// is read-only there.
type Bind struct {
	From string // path on the machine
	To   string // path in the world, in one of the directories in memory
}

// worldVar holds the World, as JSON, in the environment of a process that
// Command made.
const worldVar = "GOQMAIL_TESTKIT_WORLD"

// testVar holds the name of the test that a process made by InWorld runs.
const testVar = "GOQMAIL_TESTKIT_TEST"

// namespaces are those that a world has for itself.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
	syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// inside is true in a process that has entered a world.
var inside bool

// Inside reports whether this process runs in a world. A TestMain that prepares
// something on the machine itself leaves it out then.
func Inside() bool { return inside || os.Getenv(worldVar) != "" }

// Command returns a command that runs this test binary again, with the
// arguments, as first process of new namespaces. The new process must call
// Enter before anything else; until then it sees the machine's files, and can
// change them. It dies with the thread that starts it, so the caller locks its
// goroutine to its thread (runtime.LockOSThread) from Start to Wait.
func (w *World) Command(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), worldVar+"="+string(spec))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// Enter finishes the world that a process started by Command is in: mounts,
// accounts, host name, network. In any other process it does nothing.
func Enter() error {
	spec, ok := os.LookupEnv(worldVar)
	if !ok || inside {
		return nil
	}
	var w World
	if err := json.Unmarshal([]byte(spec), &w); err != nil {
		return fmt.Errorf("%s: %w", worldVar, err)
	}
	if os.Getpid() != 1 {
		return fmt.Errorf("not the first process of a PID namespace, but number %d", os.Getpid())
	}
	if err := w.enter(); err != nil {
		return fmt.Errorf("private namespaces: %w", err)
	}
	inside = true
	_ = os.Unsetenv(worldVar)
	return nil
}

// InWorld runs f as root in a world of its own: it executes the test binary
// again for this one test, in new namespaces, and reports there what f finds.
// An ordinary user leaves the test out (see NeedRoot). For root it never skips:
// failing to make the world is a failure, and so is a test that skips itself
// in it.
//
// It must be the first thing the test does, since everything before it runs
// twice, once on the machine itself. Within f only paths of the world and
// relative paths (testdata) are of use.
func InWorld(t *testing.T, w World, f func(t *testing.T)) {
	t.Helper()
	if os.Getenv(testVar) == t.Name() {
		if err := Enter(); err != nil {
			t.Fatal(err)
		}
		f(t)
		return
	}
	NeedRoot(t)
	if err := checkNamespaces(); err != nil {
		t.Fatal(err)
	}
	cmd, err := w.Command(testArgs(t)...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, testVar+"="+t.Name())
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if err == nil {
		err = judge(out.String(), t.Name())
	}
	switch {
	case err != nil:
		t.Fatalf("in the world: %v\n%s", err, indent(out.String()))
	case testing.Verbose():
		if said := remarks(out.String()); said != "" {
			t.Logf("in the world:\n%s", indent(said))
		}
	}
}

// checkNamespaces says in plain words what is wrong when namespaces cannot be
// made at all.
func checkNamespaces() error {
	for _, ns := range []string{"mnt", "pid", "net", "uts", "ipc"} {
		if _, err := os.Lstat("/proc/self/ns/" + ns); err != nil {
			return fmt.Errorf("tests as root need the kernel's %s namespaces: %w", ns, err)
		}
	}
	return nil
}

// testArgs are the arguments that make the test binary run the test t alone.
func testArgs(t *testing.T) []string {
	args := []string{"-test.run=" + exactly(t.Name()) + subtests(t.Name()), "-test.v=true", "-test.paniconexit0"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	if d, ok := t.Deadline(); ok {
		// the inner test shall report what it waits for before the outer one ends
		left := max(time.Second, (time.Until(d) * 9 / 10).Round(time.Second))
		args = append(args, "-test.timeout="+left.String())
	}
	flag.Visit(func(f *flag.Flag) { // the flags of the package itself, as they were set
		if !strings.HasPrefix(f.Name, "test.") {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	return args
}

// exactly returns the -run pattern that matches the test name and nothing else,
// but all its subtests.
func exactly(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// subtests returns what the user's own -run pattern says about subtests of a
// test that is none itself.
func subtests(name string) string {
	run := flag.Lookup("test.run").Value.String()
	if _, sub, ok := strings.Cut(run, "/"); ok && !strings.Contains(name, "/") {
		return "/" + sub
	}
	return ""
}

// judge reads the verbose output of a test that exited with 0.
func judge(out, name string) error {
	top, _, _ := strings.Cut(name, "/")
	passed := false
	for line := range strings.Lines(out) {
		line = strings.TrimLeft(line, " ")
		if strings.HasPrefix(line, "--- SKIP: ") {
			return fmt.Errorf("skipped, which a test in a world must not do: %s", strings.TrimSpace(line))
		}
		if strings.HasPrefix(line, "--- PASS: "+top+" ") {
			passed = true
		}
	}
	if !passed {
		return fmt.Errorf("the test did not run")
	}
	return nil
}

// remarks returns what the verbose output of a test that passed says besides
// names and results.
func remarks(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		s := strings.TrimSpace(line)
		if !strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "--- PASS: ") && s != "PASS" && s != "" {
			b.WriteString(line)
		}
	}
	return b.String()
}

// indent moves the text of a nested test to the right.
func indent(s string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n\t")
}

// LookTool returns the path of a program of the machine that a test as root
// needs. A missing tool fails the test.
func LookTool(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"} {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("tests as root need the program %s; servers and supervisors come from scripts/fetch-peers, whose directory %s names", name, PeersVariable)
	return ""
}
