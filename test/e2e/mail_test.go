//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"goqmail/internal/testkit"
)

// A user is an account with a home directory.
type user struct {
	b        *bed
	name     string
	uid, gid int
	home     string
}

// user makes an account.
func (b *bed) user(name string) *user {
	b.Helper()
	u := &user{b, name, b.nextUID, b.nextUID, "/home/" + name}
	b.nextUID++
	appendLine := func(path, line string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		b.must(err)
		_, err = f.WriteString(line)
		b.must(err)
		b.must(f.Close())
	}
	appendLine("/etc/passwd", fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", name, u.uid, u.gid, u.home))
	appendLine("/etc/group", fmt.Sprintf("%s:x:%d:\n", name, u.gid))
	b.must(os.Mkdir(u.home, 0o755))
	b.must(os.Chown(u.home, u.uid, u.gid))
	return u
}

// alias is the account that takes what no user does.
func (b *bed) alias() *user {
	return &user{b, "alias", testkit.UIDAlias, testkit.GIDNofiles, home + "/alias"}
}

// write makes a file in the home.
func (u *user) write(name, content string, mode fs.FileMode) {
	u.b.Helper()
	path := filepath.Join(u.home, name)
	u.b.must(os.WriteFile(path, []byte(content), mode))
	u.b.must(os.Chown(path, u.uid, u.gid))
	u.b.must(os.Chmod(path, mode))
}

// dotQmail makes .qmail with the extension, such as "" or "-list".
func (u *user) dotQmail(ext, content string) {
	u.b.Helper()
	u.write(".qmail"+ext, content, 0o644)
}

// maildir makes a Maildir.
func (u *user) maildir(name string) {
	u.b.Helper()
	for _, d := range []string{"", "/tmp", "/new", "/cur"} {
		path := filepath.Join(u.home, name) + d
		u.b.must(os.Mkdir(path, 0o700))
		u.b.must(os.Chown(path, u.uid, u.gid))
	}
}

// mails returns the messages in new of a Maildir, in the order of their text.
func (u *user) mails(name string) []string {
	u.b.Helper()
	paths, err := filepath.Glob(filepath.Join(u.home, name, "new", "*"))
	u.b.must(err)
	var list []string
	for _, p := range paths {
		text, err := os.ReadFile(p)
		u.b.must(err)
		list = append(list, string(text))
	}
	sort.Strings(list)
	return list
}

// read returns a file of the home, "" if there is none.
func (u *user) read(name string) string {
	u.b.Helper()
	text, err := os.ReadFile(filepath.Join(u.home, name))
	if !os.IsNotExist(err) {
		u.b.must(err)
	}
	return string(text)
}

// A message is one that was queued.
type message struct {
	b    *bed
	qp   int    // process number of its qmail-queue
	n    uint64 // its number
	from int    // the log line after "info msg"
}

// inject queues a message by qmail-queue, as root, and does not wait for
// qmail-send.
func (b *bed) inject(sender, text string, recipients ...string) *message {
	b.Helper()
	var env bytes.Buffer
	env.WriteString("F" + sender + "\x00")
	for _, r := range recipients {
		env.WriteString("T" + r + "\x00")
	}
	env.WriteByte(0)
	r, w, err := os.Pipe()
	b.must(err)
	go func() {
		_, _ = w.Write(env.Bytes())
		_ = w.Close()
	}()
	cmd := exec.Command(home + "/bin/qmail-queue")
	cmd.Env = []string{}
	cmd.Stdin = strings.NewReader(text)
	cmd.Stdout = r // descriptor 1 is read
	if err := cmd.Run(); err != nil {
		b.Fatalf("qmail-queue: %v", err)
	}
	b.must(r.Close())
	return &message{b: b, qp: cmd.Process.Pid}
}

// send queues a message and waits until qmail-send has taken it.
func (b *bed) send(sender, text string, recipients ...string) *message {
	b.Helper()
	return b.inject(sender, text, recipients...).taken()
}

// taken waits until qmail-send has logged the message.
func (m *message) taken() *message {
	m.b.Helper()
	g, next := m.b.waitAt(0, fmt.Sprintf(`^info msg (\d+): bytes \d+ from <.*> qp %d uid \d+$`, m.qp))
	m.n, _ = strconv.ParseUint(g[1], 10, 64) // the pattern says digits
	m.from = next
	return m
}

// end waits for the message's end.
func (m *message) end() {
	m.b.Helper()
	m.b.wait(m.from, fmt.Sprintf(`^end msg %d$`, m.n))
}

// delivery waits for the report on a delivery of the message to a recipient,
// and returns what it was and its text.
func (m *message) delivery(channel, recipient string) (result, text string) {
	m.b.Helper()
	result, text, m.from = m.b.report(m.from, m.n, channel, recipient)
	return result, text
}

// report waits for the next delivery of message n to a recipient and for its
// report. next is the log line after the start of the delivery.
func (b *bed) report(from int, n uint64, channel, recipient string) (result, text string, next int) {
	b.Helper()
	g, next := b.waitAt(from, fmt.Sprintf(`^starting delivery (\d+): msg %d to %s %s$`, n, channel, regexp.QuoteMeta(recipient)))
	r := b.wait(next, `^delivery `+g[1]+`: (success|deferral|failure): (.*)$`)
	return r[1], r[2], next
}

// bounce waits until qmail-send has queued the bounce of message n, and then
// for the bounce itself.
func (b *bed) bounce(from int, n uint64) *message {
	b.Helper()
	g := b.wait(from, fmt.Sprintf(`^bounce msg %d qp (\d+)$`, n))
	qp, _ := strconv.Atoi(g[1]) // the pattern says digits
	m := &message{b: b, qp: qp}
	return m.taken()
}

// expect compares what happened to a delivery.
func (b *bed) expect(what, result, text, wantResult, wantText string) {
	b.Helper()
	if result != wantResult || text != wantText {
		b.Errorf("%s = %s %q, want %s %q", what, result, text, wantResult, wantText)
	}
}

// one returns the only message of a Maildir.
func (u *user) one(name string) string {
	u.b.Helper()
	list := u.mails(name)
	if len(list) != 1 {
		u.b.Fatalf("%d messages in %s of %s, want 1: %q", len(list), name, u.name, list)
	}
	return list[0]
}

// match compares a text with a pattern for all of it, in which LF is LF.
func (b *bed) match(what, text, pattern string) []string {
	b.Helper()
	m := regexp.MustCompile(`\A(?:` + pattern + `)\z`).FindStringSubmatch(text)
	if m == nil {
		b.Fatalf("%s = %q, want a match of %q", what, text, pattern)
	}
	return m
}

// receivedBy is the line that qmail-queue puts on top.
const receivedBy = `Received: \(qmail \d+ invoked by uid 0\); \d+ \w+ \d+ \d\d:\d\d:\d\d -0000\n`
