package showctl

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goqmail/internal/control"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// newHome makes a home with the given control files; the content DIR makes a
// directory.
func newHome(t *testing.T, files map[string]string) string {
	t.Helper()
	home := t.TempDir()
	testkit.Must(t, os.Mkdir(filepath.Join(home, "control"), 0o755))
	for name, content := range files {
		path := filepath.Join(home, "control", name)
		if content == "DIR" {
			testkit.Must(t, os.Mkdir(path, 0o755))
		} else {
			testkit.Write(t, path, content)
		}
	}
	return home
}

// show returns what files says about a home.
func show(home string) (code int, out string) {
	var b bytes.Buffer
	s := &showctl{out: bufio.NewWriter(&b)}
	code = s.files(home)
	_ = s.out.Flush()
	return code, b.String()
}

// entry is the text about one file, with the lines of a list.
func entry(t *testing.T, out, name string) string {
	t.Helper()
	_, text, ok := strings.Cut("\n"+out, "\n\n"+name+": ")
	if !ok {
		return "(none)"
	}
	text, _, _ = strings.Cut(text, "\n\n")
	return strings.TrimSuffix(text, "\n")
}

func TestFiles(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"badmailfrom", "(absent)", "(Default.) Any MAIL FROM is allowed."},
		{"badmailfrom", "a@b\n#c\n\xe9\x01", "\na@b not accepted in MAIL FROM.\n?? not accepted in MAIL FROM."},
		{"badmailfrom", "", ""},
		{"badmailfrom", "DIR", "Oops! Trouble reading this file."},
		{"bouncefrom", "(absent)", "(Default.) Bounce user name is MAILER-DAEMON."},
		{"bouncefrom", " x \ny\n", "Bounce user name is  x."},
		{"bouncefrom", "", "Bounce user name is ."},
		{"bouncehost", "(absent)", "(Default.) Bounce host name is me.example."},
		{"bouncehost", "DIR", "Oops! Trouble reading this file."},
		{"databytes", "(absent)", "(Default.) SMTP DATA limit is 0 bytes."},
		{"databytes", "007x\n", "SMTP DATA limit is 7 bytes."},
		{"databytes", "-3\n", "(Default.) SMTP DATA limit is 0 bytes."},
		{"databytes", "DIR", "Oops! Trouble reading this file."},
		{"locals", "(absent)", "(Default.) Messages for me are delivered locally."},
		{"smtproutes", "a:b\n", "\nSMTP route: a:b"},
		{"me", "x\xff\n", "My name is x?."},
		{"morercpthosts", "(absent)", "(Default.) No rcpthosts; morercpthosts is irrelevant."},
		{"morercpthosts", "a\n", "\nNo rcpthosts; doesn't matter that morercpthosts has a."},
		{"defaultdelivery", "./Maildir/\n", "I have no idea what this file does."},
		{"x\xe9y", "", "(none)"},
		{"x?y", "", "I have no idea what this file does."},
		{"nssprobe", "(absent)", "(none)"},
		{"nssprobe", "joe\n", "Without user joe the user directory counts as down."},
		{"concurrencydomains", "(absent)", "(none)"},
		{"concurrencydomains", "slow.example:2\n", "\nRemote concurrency of a domain: slow.example:2"},
		{"classic", "", "Every delivery has a process of its own, as in C qmail."},
		{"remoteshare", "1\n", "Sharing of SMTP connections and transactions is 1."},
		{"spawnlimit", "x\n", "(Default.) Limit of deliveries at once on each channel is 120."},
		{"tcp.smtp", "", "Source of tcp.smtp.cdb; see tcprules."},
		{"tcp.smtp.cdb", "", "Oops! tcp.smtp.cdb exists but tcp.smtp doesn't."},
	}
	for _, tt := range tests {
		files := map[string]string{"me": "me.example\n"}
		if tt.content != "(absent)" {
			files[tt.name] = tt.content
		}
		code, out := show(newHome(t, files))
		if got := entry(t, out, tt.name); got != tt.want || code != 0 {
			t.Errorf("%s %q: %d %q, want %q", tt.name, tt.content, code, got, tt.want)
		}
	}
	_, out := show(newHome(t, map[string]string{"x\xe9y": ""}))
	if got := entry(t, out, "x?y"); got != "I have no idea what this file does." {
		t.Errorf("strange name: %q", got)
	}
	if got := entry(t, out, "me") + entry(t, out, "helohost"); got != "(Default.) My name is undefined! Uh-oh.(Default.) SMTP client HELO host name is helohost." {
		t.Errorf("without me: %q", got)
	}
}

func TestCompiled(t *testing.T) {
	const up = "Modified recently enough; hopefully up to date."
	tests := []struct {
		text, cdb int64 // mtime; 0: absent
		want      string
	}{
		{0, 0, "(Default.) No effect."},
		{5, 0, "Oops! morercpthosts exists but morercpthosts.cdb doesn't."},
		{0, 5, "Oops! morercpthosts.cdb exists but morercpthosts doesn't."},
		{6, 5, "Oops! morercpthosts.cdb is older than morercpthosts."},
		{5, 5, up},
		{5, 6, up},
	}
	for _, tt := range tests {
		home := newHome(t, map[string]string{"rcpthosts": "b\n"})
		for name, mtime := range map[string]int64{"morercpthosts": tt.text, "morercpthosts.cdb": tt.cdb} {
			if mtime != 0 {
				path := filepath.Join(home, "control", name)
				testkit.Write(t, path, "a\n")
				testkit.Must(t, os.Chtimes(path, time.Unix(mtime, 0), time.Unix(mtime, 0)))
			}
		}
		_, out := show(home)
		if got := entry(t, out, "morercpthosts.cdb"); got != tt.want {
			t.Errorf("text %d, cdb %d: %q, want %q", tt.text, tt.cdb, got, tt.want)
		}
		want := "(Default.) No effect."
		if tt.text != 0 {
			want = "\nSMTP clients may send messages to recipients at a."
		}
		if got := entry(t, out, "morercpthosts"); got != want {
			t.Errorf("morercpthosts: %q, want %q", got, want)
		}
	}
}

func TestOops(t *testing.T) {
	home := newHome(t, nil)
	testkit.Must(t, os.Remove(filepath.Join(home, "control")))
	if code, out := show(home); code != 111 || out != "Oops! Unable to chdir to control.\n" {
		t.Errorf("no control: %d %q", code, out)
	}
	testkit.Must(t, os.Remove(home))
	if code, out := show(home); code != 111 || out != "Oops! Unable to chdir to "+home+".\n" {
		t.Errorf("no home: %d %q", code, out)
	}
	if code, out := show(newHome(t, map[string]string{"me": "DIR"})); code != 111 || out != "Oops! Trouble reading control/me." {
		t.Errorf("me: %d %q", code, out)
	}
}

// TestOrder: every file of C qmail has an entry, in the order of the table.
func TestOrder(t *testing.T) {
	_, out := show(newHome(t, nil))
	var got, want []string
	for _, part := range strings.Split("\n"+out, "\n\n")[1:] {
		name, _, _ := strings.Cut(part, ":")
		got = append(got, name)
	}
	for _, f := range control.Files {
		if !f.Ours {
			want = append(want, f.Name)
		}
	}
	if !slices.Equal(got, want) || len(want) != 29 {
		t.Errorf("entries %q, want %q", got, want)
	}
}

const header = `qmail home directory: /var/qmail.
user-ext delimiter: -.
paternalism (in decimal): 2.
silent concurrency limit: 120.
subdirectory split: 23.
user ids: 7790, 7791, 7792, 0, 7793, 7794, 7795, 7796.
group ids: 2108, 2107.
Oops! Unable to chdir to control.
`

func TestHeader(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		r := progtest.Run(t, Run, progtest.Call{Home: "/var/qmail", Args: []string{"qmail-showctl"}})
		if r != (progtest.Result{Code: 111, Out: header}) {
			t.Errorf("%+v, want %q", r, header)
		}
	})
}

func TestNoAccounts(t *testing.T) {
	testkit.InWorld(t, testkit.World{Bare: true}, func(t *testing.T) {
		r := progtest.Run(t, Run, progtest.Call{Home: "/var/qmail", Args: []string{"qmail-showctl"}})
		if r != (progtest.Result{Code: 111, Err: "fatal: unable to find user alias\n"}) {
			t.Errorf("%+v", r)
		}
	})
}
