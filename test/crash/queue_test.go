//go:build e2e

package crash

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"goqmail/internal/testkit"
)

// A queued is what the queue has of one message.
type queued struct {
	n     string            // its number
	files map[string]string // path by directory: mess, intd, ...
	state string            // S2 to S5, "illegal", or "rubbish"
	id    string            // the name that mail gave it
	whole bool              // all of the message is there
}

// scan reads the names in the queue: messages by number, and the files in pid.
func scan() (map[string]map[string]string, []string) {
	byNumber, pid := map[string]map[string]string{}, []string{}
	// what goes while it is read is not there
	_ = filepath.WalkDir(queueDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		dir, _, _ := strings.Cut(strings.TrimPrefix(path, queueDir+"/"), "/")
		switch dir {
		case "lock":
		case "pid":
			pid = append(pid, path)
		default:
			n := filepath.Base(path)
			if byNumber[n] == nil {
				byNumber[n] = map[string]string{}
			}
			byNumber[n][dir] = path
		}
		return nil
	})
	return byNumber, pid
}

// stateOf names the state of a message with these files (spec/queue.md,
// section 3).
func stateOf(files map[string]string) string {
	has := func(dir string) bool { return files[dir] != "" }
	switch {
	case !has("mess"):
	case has("todo"):
		if !has("bounce") {
			return "S4"
		}
	case has("info"):
		if !has("intd") {
			return "S5"
		}
	case has("local") || has("remote") || has("bounce"):
	case has("intd"):
		return "S3"
	default:
		return "S2"
	}
	return "illegal"
}

// accepted reports whether qmail-send has to deal with a message.
func (q queued) accepted() bool { return q.state == "S4" || q.state == "S5" }

// look reads the queue, and says what is wrong with it: states that no order of
// events can leave, messages with a part missing, envelopes that cannot be read.
// While something runs it is not reliable.
func (b *bed) look() (list []queued, wrong []string) {
	b.Helper()
	byNumber, _ := scan()
	for n, files := range byNumber {
		q := queued{n: n, files: files, state: stateOf(files)}
		if _, err := strconv.ParseUint(n, 10, 64); err != nil {
			wrong = append(wrong, "a file with the name "+n)
			continue
		}
		complain := func(s string) { wrong = append(wrong, n+" in state "+q.state+": "+s) }
		if q.state == "illegal" && b.rubbish && files["todo"] == "" {
			// what was removed has come back: intd/N beside info/N, or anything
			// without mess/N
			if q.state = "rubbish"; files["mess"] != "" && files["info"] != "" {
				q.state = "S5"
			}
		}
		if q.state == "illegal" {
			complain(fmt.Sprint(files))
		}
		if files["mess"] != "" {
			text := b.read(files["mess"])
			q.id, q.whole = identity(text)
			var st syscall.Stat_t
			b.must(syscall.Stat(files["mess"], &st))
			if strconv.FormatUint(st.Ino, 10) != n {
				complain("the number is not the inode")
			}
			if q.accepted() && (text == "" || q.id != "" && !q.whole) {
				complain(fmt.Sprintf("a part of %q: %d bytes", q.id, len(text)))
			}
		}
		if q.state == "S4" && !todoWhole(b.read(files["todo"])) {
			complain(fmt.Sprintf("todo %q", b.read(files["todo"])))
		}
		if q.state == "S5" {
			if f := records(b.read(files["info"])); len(f) != 1 || !strings.HasPrefix(f[0], "F") {
				complain(fmt.Sprintf("info %q", b.read(files["info"])))
			}
			for _, channel := range []string{"local", "remote"} {
				if files[channel] == "" {
					continue
				}
				text := b.read(files[channel])
				for _, r := range records(text) {
					if r == "" || r[0] != 'T' && r[0] != 'D' {
						complain(fmt.Sprintf("%s %q", channel, text))
					}
				}
			}
		}
		list = append(list, q)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].n < list[j].n })
	return list, wrong
}

// read returns a file's content, "" if there is none.
func (b *bed) read(path string) string {
	b.Helper()
	text, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		b.must(err)
	}
	return string(text)
}

// records splits at NULs; text that does not end in one is one bad record.
func records(s string) []string {
	if !strings.HasSuffix(s, "\x00") {
		return []string{""}
	}
	return strings.Split(strings.TrimSuffix(s, "\x00"), "\x00")
}

// todoWhole reports whether an envelope is one: u, p, F and any number of T.
func todoWhole(s string) bool {
	r := records(s)
	if len(r) < 3 || !strings.HasPrefix(r[0], "u") || !strings.HasPrefix(r[1], "p") || !strings.HasPrefix(r[2], "F") {
		return false
	}
	for _, t := range r[3:] {
		if !strings.HasPrefix(t, "T") {
			return false
		}
	}
	return true
}

// holds returns the accepted message with a name.
func holds(list []queued, id string) (queued, bool) {
	for _, q := range list {
		if q.id == id && q.accepted() {
			return q, true
		}
	}
	return queued{}, false
}

// emptyQueue removes all messages.
func (b *bed) emptyQueue() {
	b.Helper()
	byNumber, pid := scan()
	for _, files := range byNumber {
		for _, path := range files {
			b.must(os.Remove(path))
		}
	}
	for _, path := range pid {
		b.must(os.Remove(path))
	}
}

// age makes every file of the queue older than anything qmail-queue may still
// be writing.
func (b *bed) age() {
	b.Helper()
	old := time.Now().Add(-48 * time.Hour)
	byNumber, pid := scan()
	for _, files := range byNumber {
		for _, path := range files {
			pid = append(pid, path)
		}
	}
	for _, path := range pid {
		b.must(os.Chtimes(path, old, old))
	}
}

// drained waits until no message is accepted and undelivered, or until the time
// is over. It reads names only: reading a message would make it look young.
func drained(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(3 * time.Millisecond) {
		left := false
		byNumber, _ := scan()
		for _, files := range byNumber {
			left = left || files["mess"] != "" && (files["todo"] != "" || files["info"] != "")
		}
		if !left {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// void waits until the queue has no file at all.
func void(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(3 * time.Millisecond) {
		byNumber, pid := scan()
		if len(byNumber)+len(pid) == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// deliverAll starts qmail-send, untraced, until everything is delivered; what
// waits for its time is hurried by SIGALRM. While a bounce is queued and its
// message goes, a look at one directory after the other can miss both, so only
// a look while nothing runs counts.
func (b *bed) deliverAll() bool {
	b.Helper()
	for range 5 {
		b.start(nil)
		ok := drained(100 * time.Millisecond)
		for range 100 {
			if ok {
				break
			}
			for _, pid := range pids("qmail-send") {
				_ = syscall.Kill(pid, syscall.SIGALRM) // it may be gone
			}
			ok = drained(200 * time.Millisecond)
		}
		b.stop()
		left := false
		list, _ := b.look()
		for _, q := range list {
			left = left || q.accepted()
		}
		if !left {
			return true
		}
	}
	return false
}

// cleanUp checks that what was never accepted goes when it is old.
func (b *bed) cleanUp() {
	b.Helper()
	b.age()
	b.start(nil)
	if !void(20 * time.Second) {
		byNumber, pid := scan()
		b.Errorf("left in the queue after the clean-up: %v %v\nlog:\n%s", byNumber, pid, b.log())
	}
	b.stop()
}

// delivered counts the messages in ann's Maildir by name; bounces have the name
// "bounce". Broken are files in new/ or cur/ that are no whole message.
func (b *bed) delivered() (got map[string]int, broken []string) {
	b.Helper()
	got = map[string]int{}
	names, err := filepath.Glob(ann.Home + "/Maildir/[nc][eu][wr]/*")
	b.must(err)
	for _, name := range names {
		text := b.read(name)
		id, whole := identity(text)
		switch {
		case !whole:
			broken = append(broken, fmt.Sprintf("%s: %d bytes, message %q", name, len(text), id))
		case strings.Contains(text, "\nHi. This is the qmail-send program"):
			got["bounce"]++
		default:
			got[id]++
		}
	}
	return got, broken
}

// mount and unmount of file systems over the queue are in disk_test.go; a new
// queue is made as setup makes it.
func (b *bed) makeQueue(dir string) {
	b.Helper()
	b.must(testkit.MakeQueue(dir))
}
