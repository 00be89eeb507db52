package pop3d

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/maildir"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

const now = 1795201436

// files are a Maildir's: names below it and their content, the oldest first.
type files [][2]string

// five is a Maildir with messages of both kinds.
var five = files{
	{"new/a.1.h", "S: one\n\nb1\nb2\nb3\n"}, {"cur/b.2.h:2,S", ".S: two\n\n.dot\n..\n.\nend\n"},
	{"new/c.3.h", "no newline"}, {"cur/d.4.h:2,", "\xff\x00\r\nx\r\n"}, {"new/e.5.h", ""},
}

// mailbox makes a Maildir and returns its path.
func mailbox(t testing.TB, content files) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range [...]string{maildir.Tmp, maildir.New, maildir.Cur} {
		testkit.Must(t, os.Mkdir(dir+"/"+sub, 0o700))
	}
	for i, f := range content {
		testkit.Must(t, os.WriteFile(dir+"/"+f[0], []byte(f[1]), 0o600))
		at := time.Unix(now-1000+int64(i), 0)
		testkit.Must(t, os.Chtimes(dir+"/"+f[0], at, at))
	}
	return dir
}

// left lists the files of a Maildir.
func left(t testing.TB, dir string) string {
	t.Helper()
	names, err := filepath.Glob(dir + "/[nct]*/*")
	testkit.Must(t, err)
	for i := range names {
		names[i] = names[i][len(dir)+1:]
	}
	return strings.Join(names, " ")
}

// talk runs a session.
func talk(t testing.TB, dir, in string) progtest.Result {
	t.Helper()
	return progtest.Run(t, run, progtest.Call{Args: []string{"qmail-pop3d", dir}, Stdin: in, Now: now})
}

const (
	untouched = "cur/b.2.h:2,S cur/d.4.h:2, new/a.1.h new/c.3.h new/e.5.h"
	moved     = "cur/a.1.h:2, cur/b.2.h:2,S cur/c.3.h:2, cur/d.4.h:2, cur/e.5.h:2,"
)

func TestSession(t *testing.T) {
	const ok = answerOK
	const sizes = ok + "1 17\r\n2 23\r\n3 10\r\n4 7\r\n5 0\r\n.\r\n"
	tests := []struct{ name, in, want, left string }{
		{"end of input", "STAT\r\nDELE 1\r\nLIST", "+OK 5 57\r\n" + ok, untouched},
		{"QUIT", "quit\nNOOP\n", ok, moved},
		{"lists", "LIST\nUIDL\nLIST 2\nUIDL 2\nLIST \n", sizes + ok + "1 a.1.h\r\n2 b.2.h\r\n3 c.3.h\r\n4 d.4.h\r\n5 e.5.h\r\n.\r\n" +
			"+OK 2 23\r\n+OK 2 b.2.h\r\n" + sizes, untouched},
		{"deleted", "DELE 2\nDELE 1\nSTAT\nLAST\nLIST\nUIDL\nRETR 1\nDELE 2\nLIST 1\nQUIT\n", ok + ok + "+OK 5 17\r\n+OK 2\r\n" +
			ok + "3 10\r\n4 7\r\n5 0\r\n.\r\n" + ok + "3 c.3.h\r\n4 d.4.h\r\n5 e.5.h\r\n.\r\n" +
			answerDeleted + answerDeleted + answerDeleted + ok, "cur/c.3.h:2, cur/d.4.h:2, cur/e.5.h:2,"},
		{"RSET", "DELE 5\nRETR 4\nLAST\nRSET\nLAST\nSTAT\nQUIT\n", ok + ok + "\xff\x00\r\r\nx\r\r\n\r\n.\r\n" + "+OK 5\r\n" + ok + "+OK 0\r\n+OK 5 57\r\n" + ok, moved},
		{"RETR", "RETR 2\nRETR 3\nRETR 5\n", ok + "..S: two\r\n\r\n..dot\r\n...\r\n..\r\nend\r\n\r\n.\r\n" + ok + "no newline\r\n\r\n.\r\n" + ok + "\r\n.\r\n", untouched},
		{"TOP", "TOP 1 0\nTOP 1 2\nRETR 1  1\nTOP 1 3\n", ok + "S: one\r\n\r\n\r\n.\r\n" + ok + "S: one\r\n\r\nb1\r\nb2\r\n\r\n.\r\n" +
			ok + "S: one\r\n\r\nb1\r\n\r\n.\r\n" + ok + "S: one\r\n\r\nb1\r\nb2\r\nb3\r\n\r\n.\r\n", untouched},
		{"TOP, all", "TOP 1\nTOP 1x 1\nTOP 1 -1\nTOP 1 18446744073709551615\n", strings.Repeat(ok+"S: one\r\n\r\nb1\r\nb2\r\nb3\r\n\r\n.\r\n", 4), untouched},
		{"numbers", "DELE\nDELE x\nDELE -1\nDELE 0\nDELE 6\nDELE 4294967297\nDELE 18446744073709551617\nDELE 1x\nLAST\n",
			answerSyntax + answerSyntax + answerSyntax + answerFromOne + answerTooHigh + answerTooHigh + answerTooHigh + ok + "+OK 1\r\n", untouched},
		{"others", "CAPA\nUSER a\n\nNOOP x\n", answerUnimplemented + answerUnimplemented + answerUnimplemented + ok, untouched},
	}
	for _, tt := range tests {
		dir := mailbox(t, five)
		r := talk(t, dir, tt.in)
		if want := ok + tt.want; r.Out != want || r.Code != exitDone || r.Err != "" {
			t.Errorf("%s: exit %d, %q, %q, want %q", tt.name, r.Code, r.Out, r.Err, want)
		}
		if got := left(t, dir); got != tt.left {
			t.Errorf("%s: left %s, want %s", tt.name, got, tt.left)
		}
	}
}

// What cannot be opened, read or removed.
func TestFailures(t *testing.T) {
	dir := mailbox(t, files{{"new/gone", "x"}, {"cur/gone", "x"}, {"new/stays", "x"}})
	testkit.Must(t, os.Mkdir(dir+"/cur/gone2", 0o700)) // a directory is listed, and no message
	at := time.Unix(now-1, 0)
	testkit.Must(t, os.Chtimes(dir+"/cur/gone2", at, at))
	list, _, err := maildir.Scan(open(t, dir), now)
	testkit.Must(t, err)
	testkit.Must(t, os.Remove(dir+"/new/gone"))
	testkit.Must(t, os.Remove(dir+"/cur/gone"))
	var out bytes.Buffer
	s := newSession(t, dir, list, "RETR 1\nDELE 1\nDELE 4\nTOP 2 0\nQUIT\n", &out)
	if err := s.serve(); err != errQuit {
		t.Errorf("serve = %v", err)
	}
	testkit.Must(t, s.conn.Flush())
	want := answerNoOpen + answerOK + answerOK + answerNoOpen + answerNoUnlink + answerOK
	if out.String() != want || left(t, dir) != "cur/gone2 cur/stays:2," {
		t.Errorf("%q, left %s, want %q", out.String(), left(t, dir), want)
	}
	// A file that cannot be read to its end: the session ends, nothing changes.
	out.Reset()
	s = newSession(t, dir, list, "DELE 3\nRETR 4\nQUIT\n", &out)
	if err := s.serve(); err == nil || err == errQuit || err == io.EOF {
		t.Errorf("serve with an unreadable message = %v", err)
	}
	testkit.Must(t, s.conn.Flush())
	if want := answerOK + answerOK; out.String() != want {
		t.Errorf("with an unreadable message: %q, want %q", out.String(), want)
	}
	if left(t, dir) != "cur/gone2 cur/stays:2," {
		t.Errorf("left %s", left(t, dir))
	}
	// Answers that nobody takes: the same.
	dir = mailbox(t, five)
	full := testkit.BrokenPipe(t)
	r := progtest.Run(t, run, progtest.Call{Args: []string{"qmail-pop3d", dir}, Stdin: "DELE 1\nQUIT\n", Now: now, FDs: map[int]int{1: int(full.Fd())}})
	if r.Code != exitDone || left(t, dir) != untouched {
		t.Errorf("answers not taken: exit %d, left %s", r.Code, left(t, dir))
	}
}

// TestSizes: messages around the size of a block, and files that are now larger
// or smaller than they were when they were listed.
func TestSizes(t *testing.T) {
	dir := mailbox(t, nil)
	for _, size := range []int{0, 1, blockSize - 1, blockSize, blockSize + 1, 2 * blockSize, 5*blockSize + 7} {
		text := strings.Repeat("x\n.", size/3+1)[:size]
		testkit.Must(t, os.WriteFile(dir+"/new/a", []byte(text), 0o600))
		for _, listed := range []int{size, 0, 1, blockSize, size + 1, 3 * blockSize} {
			var out bytes.Buffer
			s := newSession(t, dir, []maildir.Entry{{Name: "new/a", Size: int64(listed)}}, "RETR 1\nRETR 1\n", &out)
			if err := s.serve(); err != io.EOF {
				t.Fatal(err)
			}
			want := answerOK + string(encode([]byte(text), size+1, wholeBody))
			if out.String() != want+want {
				t.Errorf("%d bytes, %d when listed: %d bytes, want %d", size, listed, out.Len(), 2*len(want))
			}
		}
	}
}

// TestFewWrites: a message that fits is sent in one piece, and lists and long
// messages in large ones.
func TestFewWrites(t *testing.T) {
	dir := mailbox(t, files{{"new/a", strings.Repeat("line\n", 1000)}, {"new/b", strings.Repeat("line\n", 100_000)}})
	var list []maildir.Entry
	for i := range 100_000 {
		list = append(list, maildir.Entry{Name: [...]string{"new/a", "new/b"}[i%2]})
	}
	for in, most := range map[string]int{"RETR 1\n": 1, "RETR 2\n": 20, "LIST\n": 40, "UIDL\n": 40} {
		var out counter
		if err := newSession(t, dir, list, in, &out).serve(); err != io.EOF {
			t.Fatal(err)
		}
		if out > counter(most) {
			t.Errorf("%q: %d writes, want at most %d", in, out, most)
		}
	}
}

// A counter counts writes.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c++
	return len(p), nil
}

// newSession is a session with a list of an earlier time.
func newSession(t testing.TB, dir string, list []maildir.Entry, in string, out io.Writer) *session {
	t.Helper()
	return &session{conn: commands.NewConn(strings.NewReader(in), out), dir: open(t, dir), list: list, deleted: make([]bool, len(list))}
}

func open(t testing.TB, path string) *sys.Dir {
	t.Helper()
	dir, err := sys.OpenDir(path)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

// Maildirs that are none, and what is cleaned and left out at the start.
func TestOpening(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	testkit.Must(t, os.WriteFile(file, nil, 0o600))
	for _, args := range [][]string{{"qmail-pop3d"}, {"qmail-pop3d", file}, {"qmail-pop3d", file + ".absent"}, {"qmail-pop3d", ""}} {
		r := progtest.Run(t, run, progtest.Call{Args: args, Stdin: "QUIT\n", Now: now})
		if r.Out != answerNoMaildir || r.Code != exitDone {
			t.Errorf("%q: exit %d, %q", args, r.Code, r.Out)
		}
	}
	dir := mailbox(t, files{{"tmp/old", "x"}, {"new/future", "x"}, {"cur/.hidden", "x"}})
	old, future := time.Unix(now-maildir.TmpAge-1, 0), time.Unix(now, 0)
	testkit.Must(t, os.Chtimes(dir+"/tmp/old", old, old))
	testkit.Must(t, os.Chtimes(dir+"/new/future", future, future))
	if r := talk(t, dir, "STAT\nQUIT\n"); r.Out != answerOK+"+OK 0 0\r\n"+answerOK || left(t, dir) != "cur/.hidden new/future" {
		t.Errorf("%q, left %s", r.Out, left(t, dir))
	}
	testkit.Must(t, os.RemoveAll(dir+"/cur"))
	if r := talk(t, dir, "QUIT\n"); r.Out != answerNoScan || r.Code != exitDone {
		t.Errorf("without cur: exit %d, %q", r.Code, r.Out)
	}
}

// Root is refused, whatever the Maildir.
func TestRoot(t *testing.T) {
	r := progtest.Run(t, Run, progtest.Call{Args: []string{"qmail-pop3d", mailbox(t, nil)}, Stdin: "QUIT\n", Now: now})
	want := progtest.Result{Code: exitDone, Out: answerOK + answerOK}
	if os.Getuid() == 0 {
		want = progtest.Result{Code: exitRoot, Err: "qmail-pop3d invoked as uid 0, terminating\n"}
	}
	if r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
}

// FuzzMessage: in whatever pieces a message is read, the client gets its lines
// back from the answer, and the answer ends once.
func FuzzMessage(f *testing.F) {
	for _, m := range five {
		f.Add([]byte(m[1]), uint8(3), uint8(1))
	}
	f.Add([]byte("a\n\n\n.\n"), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, msg []byte, piece, lines uint8) {
		whole := encode(msg, len(msg)+1, wholeBody)
		if got := encode(msg, int(piece)+1, wholeBody); !bytes.Equal(got, whole) {
			t.Fatalf("in pieces: %q, want %q", got, whole)
		}
		want := msg
		if len(msg) > 0 && msg[len(msg)-1] != '\n' {
			want = append(slices.Clone(msg), '\n')
		}
		if got := decode(t, whole); !bytes.Equal(got, want) {
			t.Fatalf("decoded %q, want %q", got, want)
		}
		// A newline in front makes the border the same in a message without header.
		head, body, found := bytes.Cut(append([]byte{'\n'}, want...), []byte("\n\n"))
		top := want
		if found {
			top = append(append(head, "\n\n"...), first(body, int(lines))...)[1:]
		}
		if got := decode(t, encode(msg, int(piece)+1, int64(lines))); !bytes.Equal(got, top) {
			t.Fatalf("TOP %d of %q: %q, want %q", lines, msg, got, top)
		}
	})
}

// first is the first n lines of text.
func first(text []byte, n int) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if n--; n < 0 {
			break
		}
		out = append(out, line...)
	}
	return out
}

// encode encodes a message in pieces of n bytes.
func encode(msg []byte, n int, lines int64) []byte {
	e := encoder{left: lines}
	var out []byte
	for piece := range slices.Chunk(msg, n) {
		out = e.append(out, piece)
	}
	return e.finish(out)
}

// decode is a client: the lines up to the dot, without the empty one that is
// always added.
func decode(t *testing.T, answer []byte) []byte {
	var out []byte
	for line := range bytes.SplitAfterSeq(answer, []byte("\r\n")) {
		if string(line) == ".\r\n" {
			break
		}
		line = bytes.TrimPrefix(line, []byte("."))
		out = append(append(out, bytes.TrimSuffix(line, []byte("\r\n"))...), '\n')
	}
	if !bytes.HasSuffix(answer, []byte("\r\n.\r\n")) || bytes.Count(answer, []byte("\r\n.\r\n")) != 1 {
		t.Fatalf("%q does not end once", answer)
	}
	return out[:len(out)-1]
}

// TestMany: a Maildir whose names do not come in one piece.
func TestMany(t *testing.T) {
	const n = 900
	var many files
	for i := range n {
		many = append(many, [2]string{fmt.Sprintf("new/%d.%d.pop.example", now-n+i, i), "x\n"})
	}
	dir := mailbox(t, many)
	r := talk(t, dir, "LIST\nQUIT\n")
	if lines := strings.Count(r.Out, " 2\r\n"); lines != n {
		t.Errorf("LIST names %d messages, want %d", lines, n)
	}
	if got, err := os.ReadDir(dir + "/cur"); len(got) != n || err != nil {
		t.Errorf("%d messages in cur, %v", len(got), err)
	}
}
