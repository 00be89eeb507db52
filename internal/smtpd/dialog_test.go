package smtpd

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/commands"
	"goqmail/internal/prog"
	"goqmail/internal/sys/sock"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/queuetest"
)

var update = flag.Bool("update", false, "write what the server answers into testdata")

// The time of all tests: 20 Nov 2026 19:03:56.
const now = 1795201436

// localAddresses finds our own addresses in tests.
func localAddresses() (sock.Addresses, error) {
	return sock.Addresses{netip.MustParseAddr("127.0.0.1")}, nil
}

// newSession makes a session for a home of the test's own.
func newSession(t testing.TB, h *testkit.Home, env []string, in io.Reader, out io.Writer, q *queuetest.Queue) *session {
	t.Helper()
	conf, err := readConfig(h.Dir, prog.NewEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return &session{
		conn: commands.NewConn(in, out), conf: conf, local: localAddresses, buf: new([]byte),
		now: func() int64 { return now }, queue: q.Open,
	}
}

// A dialog is one conversation.
type dialog struct {
	out    string // what the server said
	writes int    // in how many writes
	exit   int
	q      *queuetest.Queue
}

type counter struct {
	bytes.Buffer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	c.n++
	return c.Buffer.Write(p)
}

// talk runs a session to its end.
func talk(t testing.TB, h *testkit.Home, env []string, in io.Reader, q *queuetest.Queue) dialog {
	t.Helper()
	var out counter
	s := newSession(t, h, env, in, &out, q)
	exit := end(s.conn, s.serve())
	return dialog{out.String(), out.n, exit, q}
}

// usualHome has a me and an rcpthosts.
func usualHome(t testing.TB) *testkit.Home {
	h := testkit.NewHome(t)
	h.Control("me", "mx.example\n")
	h.Control("rcpthosts", "ok.example\n.sub.example\n")
	return h
}

// TestDialogs runs the stories of testdata. In a story:
//
//	control/NAME   a control file
//	env            the environment, a variable on each line
//	client         what the client sends: CR LF is put behind each line; a line
//	               that begins with a quote is a Go string, sent as it is
//	server         what the server answers, without CRs; then "exit N"
//	queued         what is queued: the envelope as a Go string, then the message,
//	               lines with other than printable bytes as Go strings
func TestDialogs(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no stories", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a := testkit.ReadArchive(t, path)
			h := testkit.NewHome(t)
			var env []string
			var in strings.Builder
			for _, f := range a.Files {
				lines := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
				switch {
				case strings.HasPrefix(f.Name, "control/"):
					h.Write(f.Name, string(f.Data))
				case f.Name == "env":
					env = lines
				case f.Name == "client":
					for _, l := range lines {
						if strings.HasPrefix(l, `"`) {
							raw, err := strconv.Unquote(l)
							if err != nil {
								t.Fatalf("%s: %v", l, err)
							}
							in.WriteString(raw)
							continue
						}
						in.WriteString(l + "\r\n")
					}
				}
			}
			q := &queuetest.Queue{}
			d := talk(t, h, env, strings.NewReader(in.String()), q)
			if strings.Count(d.out, "\r\n") != strings.Count(d.out, "\n") {
				t.Errorf("an answer does not end in CR LF: %q", d.out)
			}
			got := map[string]string{
				"server": strings.ReplaceAll(d.out, "\r\n", "\n") + fmt.Sprintf("exit %d\n", d.exit),
				"queued": "",
			}
			for _, m := range q.Messages {
				if m.Queued() {
					got["queued"] += fmt.Sprintf("%q\n%s", m.Envelope, show(m.Body.String()))
				}
			}
			for i, f := range a.Files {
				if w, ok := got[f.Name]; ok && w != string(f.Data) {
					if *update {
						a.Files[i].Data = []byte(w)
						continue
					}
					t.Errorf("%s:\n%s\nwant\n%s", f.Name, w, f.Data)
				}
			}
			if *update {
				text, err := a.Format()
				if err == nil {
					err = os.WriteFile(path, text, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// show is a message as testdata has it.
func show(msg string) string {
	var b strings.Builder
	for line := range strings.Lines(msg) {
		line = strings.TrimSuffix(line, "\n")
		if q := strconv.QuoteToASCII(line); strings.Contains(q, `\`) {
			line = q
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
