package qq

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"queue": fakeQueue}.Play()
	os.Exit(m.Run())
}

// fakeQueue is a qmail-queue that notes in ./got who it is and what came. Of a
// message that begins with "do " it obeys the rest of the line instead.
func fakeQueue() int {
	o := worker.Offered(os.Args[0], pipe.MarkQueue)
	if o == nil {
		m, _ := sys.FD(0).ReadAll(1 << 20)
		return take("single", string(m), 1)
	}
	n := os.Getpid()
	_ = o.Serve(2, func(_ []string, files []sys.FD) worker.Result {
		m, _ := files[0].ReadAll(1 << 20)
		order, ok := strings.CutPrefix(strings.TrimSpace(string(m)), "do ")
		if !ok {
			n += 1 << 22
			return worker.Result{Code: take("worker", string(m), files[1]), Text: strconv.Itoa(n)}
		}
		if k, err := strconv.Atoi(order); err == nil && k > 0 {
			_ = syscall.Kill(os.Getpid(), syscall.Signal(k))
			_ = syscall.Pause() // another thread may be the one that takes it
		} else if err == nil {
			os.Exit(-k)
		}
		return worker.Result{Text: order}
	})
	return 0
}

// take reads the envelope, notes the message, and returns the exit code.
func take(how, message string, envelope sys.FD) int {
	e, _ := envelope.ReadAll(1 << 20)
	if !strings.HasSuffix(string(e), "\x00\x00") {
		return 54
	}
	f, err := os.OpenFile("got", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 53
	}
	_, _ = fmt.Fprintf(f, "%s %d %q %q\n", how, os.Getpid(), message, e)
	_ = f.Close()
	return 0
}

// A caller queues messages through one keeper.
type caller struct {
	t    *testing.T
	home string
	open func() (Sink, error)
}

func newCaller(t *testing.T, k *Keeper, home string, env ...string) *caller {
	t.Helper()
	return &caller{t, home, k.Opener(Config{Home: home, Env: append(env, testkit.FakeEnv("queue"))})}
}

// workable makes a home with the fake qmail-queue.
func workable(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, d := range []string{"bin", "control"} {
		if err := os.Mkdir(filepath.Join(home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Install(t, filepath.Join(home, "bin/qmail-queue"))
	return home
}

// send queues one message: the result and the number.
func (c *caller) send(message string) (string, int) {
	c.t.Helper()
	m, err := c.open()
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = m.Write([]byte(message))
	m.From("s")
	m.To("r")
	res := m.Close()
	return res, m.PID()
}

// got is how each message came in: "single", or "worker" and a letter for each
// process, A for the first.
func (c *caller) got() (out []string) {
	c.t.Helper()
	b, _ := os.ReadFile(filepath.Join(c.home, "got"))
	pids := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(\w+) (\d+) (.*)$`).FindAllStringSubmatch(string(b), -1) {
		if m[1] == "worker" {
			if pids[m[2]] == "" {
				pids[m[2]] = string(rune('A' + len(pids)))
			}
			m[1] = pids[m[2]]
		}
		out = append(out, m[1])
	}
	return out
}

func (c *caller) want(want string) {
	c.t.Helper()
	if got := strings.Join(c.got(), " "); got != want {
		c.t.Errorf("messages came as %s, want %s", got, want)
	}
}

func files(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestKeeper: the first message has a process of its own, the others share one;
// each has a number of its own; one that fails, or is given up, changes nothing.
func TestKeeper(t *testing.T) {
	var k Keeper
	home := workable(t)
	c := newCaller(t, &k, home)
	numbers := map[int]bool{}
	fds := 0
	for i := range 4 {
		res, n := c.send("hello\n")
		if res != "" || n == 0 || numbers[n] {
			t.Errorf("message %d: %q, number %d", i, res, n)
		}
		numbers[n] = true
		if i == 1 {
			fds = files(t)
		}
	}
	m, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = m.Write([]byte("given up"))
	m.Fail()
	m.From("s")
	if res := m.Close(); res != "Zqq read error (#4.3.0)" {
		t.Errorf("given up: %q", res)
	}
	if m, err = c.open(); err != nil {
		t.Fatal(err)
	}
	if res := m.Close(); res != "Zqq read error (#4.3.0)" { // no envelope was begun
		t.Errorf("closed at once: %q", res)
	}
	if res, _ := newCaller(t, &k, home).send("another client\n"); res != "" {
		t.Errorf("another client: %q", res)
	}
	if n := files(t); n != fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	c.want("single A A A A")
}

// TestKeeperEnds: what a process that ends says of its message; the next has a
// new one.
func TestKeeperEnds(t *testing.T) {
	var k Keeper
	c := newCaller(t, &k, workable(t))
	_, _ = c.send("first\n")
	want, letter := "single", 'A'
	for _, tt := range []struct{ order, want string }{
		{"9", "Zqq crashed (#4.3.0)"}, {"-52", "Zqq timeout (#4.3.0)"}, {"-81", "Zqq internal bug (#4.3.0)"},
		{"-0", "Zqq crashed (#4.3.0)"}, // never success
		{"-120", "Zunable to exec qq (#4.3.0)"}, {"-31", "D"}, {"15", "Zqq crashed (#4.3.0)"}, {"word", "Zqq crashed (#4.3.0)"},
	} {
		if res, _ := c.send("do " + tt.order + "\n"); !sameResult(res, tt.want) {
			t.Errorf("%s: %q, want %q", tt.order, res, tt.want)
		}
		if res, _ := c.send("good\n"); res != "" {
			t.Errorf("after %s: %q", tt.order, res)
		}
		want += " " + string(letter)
		if letter++; letter == 'H' {
			letter-- // an answer without a number is no reason to end the process
		}
	}
	c.want(want)
}

// sameResult compares results; of those whose words other tests hold, only the
// letters count.
func sameResult(got, want string) bool {
	if len(want) == 1 || strings.Contains(want, "unable") || strings.Contains(want, "internal") {
		return got != "" && got[0] == want[0]
	}
	return got == want
}

// TestKeeperNot: who gets no process for several messages.
func TestKeeperNot(t *testing.T) {
	home := workable(t)
	var k Keeper
	c := newCaller(t, &k, home, "QMAILQUEUE="+home+"/bin/qmail-queue")
	for range 3 {
		_, _ = c.send("x\n")
	}
	c.want("single single single")
	// Another client of the same process may have it.
	_, _ = newCaller(t, &k, home).send("x\n")
	c.want("single single single A")

	home = workable(t)
	if err := os.WriteFile(home+"/control/classic", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c = newCaller(t, &Keeper{}, home)
	for range 3 {
		_, _ = c.send("x\n")
	}
	c.want("single single single")
}

// TestKeeperOther: a program without the mark is never asked; one that is put in
// the place of another is used at once.
func TestKeeperOther(t *testing.T) {
	home := fake(t, `echo "single $$ x" >>got; cat >/dev/null; cat <&1 >/dev/null`)
	if err := os.Mkdir(home+"/control", 0o755); err != nil {
		t.Fatal(err)
	}
	var k Keeper
	c := newCaller(t, &k, home, "PATH=/bin:/usr/bin")
	for range 3 {
		if res, _ := c.send("x\n"); res != "" {
			t.Errorf("result %q", res)
		}
	}
	c.want("single single single")
	testkit.Install(t, filepath.Join(home, "bin/qmail-queue"))
	_, _ = c.send("x\n")
	_, _ = c.send("x\n")
	testkit.Install(t, filepath.Join(home, "bin/qmail-queue"))
	_, _ = c.send("x\n")
	c.want("single single single A A B")
	if err := os.Remove(home + "/bin/qmail-queue"); err != nil {
		t.Fatal(err)
	}
	if res, _ := c.send("x\n"); res == "" || res[0] != 'Z' {
		t.Errorf("no qmail-queue: %q", res)
	}
}

// TestKeeperHello: a program that has the mark and does not say so is not asked
// again.
func TestKeeperHello(t *testing.T) {
	home := fake(t, "# "+string(pipe.MarkQueue)+"\n"+`echo "single $$ x" >>got; cat >/dev/null; cat <&1 >/dev/null`)
	if err := os.Mkdir(home+"/control", 0o755); err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, &Keeper{}, home, "PATH=/bin:/usr/bin")
	for range 3 {
		if res, _ := c.send("x\n"); res != "" {
			t.Errorf("result %q", res)
		}
	}
	c.want("single single single single") // one of them the question
}

// TestKeeperPipes: without descriptors there is an error and nothing is left.
func TestKeeperPipes(t *testing.T) {
	var k Keeper
	c := newCaller(t, &k, workable(t))
	_, _ = c.send("x\n")
	_, _ = c.send("x\n")
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	n := files(t)
	for limit := n; limit < n+4; limit++ {
		low := old
		low.Cur = uint64(limit)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		m, err := c.open()
		if serr := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); serr != nil {
			t.Fatal(serr)
		}
		if err != nil {
			continue
		}
		_, _ = m.Write([]byte("x\n"))
		m.From("s")
		if res := m.Close(); res != "" {
			t.Errorf("limit %d: %q", limit, res)
		}
	}
	if now := files(t); now > n {
		t.Errorf("%d descriptors, %d before", now, n)
	}
	if res, _ := c.send("x\n"); res != "" {
		t.Errorf("afterwards: %q", res)
	}
}

// TestBuffer: the memory of a message is there, wiped, for the next one, and two
// at a time do not share it.
func TestBuffer(t *testing.T) {
	k := &Keeper{}
	m := &Message{buf: append(make([]byte, 0, bufSize), "secret"...)}
	first := &m.buf[:1][0]
	k.takeBack(m)
	if m.buf != nil || len(k.buf) != 0 || &k.buf[:1][0] != first {
		t.Errorf("taken back: %d bytes", len(k.buf))
	}
	for _, c := range k.buf[:cap(k.buf)] {
		if c != 0 {
			t.Fatalf("not wiped")
		}
	}
	if a, b := k.takeBuf(), k.takeBuf(); &a[:1][0] != first || &b[:1][0] == first {
		t.Errorf("the first does not have it, or both have")
	}
}
