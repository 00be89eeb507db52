package tree

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

func TestDomains(t *testing.T) {
	tests := []struct{ in, def, plus string }{
		{"foo", "foo", "foo"}, {"a.b", "a.b", "a.b"}, {"a.b.c", "b.c", "b.c"}, {"a.b.c.d", "b.c.d", "c.d"},
	}
	for _, tt := range tests {
		if d, p := DefaultDomain(tt.in), PlusDomain(tt.in); d != tt.def || p != tt.plus {
			t.Errorf("%s: defaultdomain %s, plusdomain %s, want %s, %s", tt.in, d, p, tt.def, tt.plus)
		}
	}
}

func TestPlausibleName(t *testing.T) {
	for _, s := range []string{"a", "mail.example.org", "x-1", "UPPER"} {
		if !PlausibleName(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", "a b", "a\n", "-x", ".x", "a:b", "a@b", "#", "\xe9", "a/b", "a\x7f"} {
		if PlausibleName(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

// made is a Maker of a home with empty control and alias, and what it says.
func made(t *testing.T) (m *Maker, said *[]string) {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"control", "alias"} {
		if err := os.Mkdir(root+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := sys.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return &Maker{Root: root, Dir: d}, &[]string{}
}

func TestNames(t *testing.T) {
	tests := []struct {
		name   string
		before map[string]string
		want   map[string]string
		err    string
	}{
		{"nothing", nil, map[string]string{
			"me": "mx.a.test\n", "defaultdomain": "a.test\n", "plusdomain": "a.test\n", "locals": "mx.a.test\n", "rcpthosts": "mx.a.test\n",
		}, ""},
		{"locals", map[string]string{"locals": "a.test\nb.test\n"}, map[string]string{
			"me": "mx.a.test\n", "locals": "a.test\nb.test\n", "rcpthosts": "a.test\nb.test\n",
		}, ""},
		{"me and rcpthosts", map[string]string{"me": "x\n", "rcpthosts": ""}, map[string]string{"me": "x\n", "rcpthosts": ""}, ""},
		{"me alone", map[string]string{"me": "x\n"}, map[string]string{"me": "x\n"},
			"ROOT/control/me exists but ROOT/control/rcpthosts does not: SMTP would take mail for every host in the world"},
	}
	for _, tt := range tests {
		m, said := made(t)
		for name, text := range tt.before {
			testkit.Write(t, m.Root+"/control/"+name, text)
		}
		err := m.Names("MX.a.test", func(s string) { *said = append(*said, s) })
		if got := strings.ReplaceAll(text(err), m.Root, "ROOT"); got != tt.err {
			t.Errorf("%s: error %q, want %q", tt.name, got, tt.err)
		}
		for name, want := range tt.want {
			if b, err := os.ReadFile(m.Root + "/control/" + name); err != nil || string(b) != want {
				t.Errorf("%s: %s = %q, %v, want %q", tt.name, name, b, err, want)
			}
		}
	}
	m, _ := made(t)
	if err := m.Names("a b", func(string) {}); text(err) != "no usable host name: a b" {
		t.Errorf("bad name: %v", err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFirst(t *testing.T) {
	m, said := made(t)
	say := func(s string) { *said = append(*said, strings.TrimPrefix(s, m.Root+"/")) }
	testkit.Write(t, m.Root+"/alias/.qmail-root", "ann\n")
	for range 2 {
		for _, f := range []func(func(string)) error{m.Aliases, m.Delivery, m.Start, m.Rules} {
			if err := f(say); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := "alias/.qmail-postmaster made,alias/.qmail-mailer-daemon made,alias/Maildir made,control/defaultdelivery made,rc made,control/tcp.smtp made,control/tcp.smtp.cdb made"
	if got := strings.Join(*said, ","); got != want {
		t.Errorf("made %s, want %s", got, want)
	}
	if b, _ := os.ReadFile(m.Root + "/alias/.qmail-root"); string(b) != "ann\n" {
		t.Errorf("an alias became %q", b)
	}
}

func TestFirstFailures(t *testing.T) {
	m, _ := made(t)
	m.Root, m.Dir = m.Root+"/control", mustOpen(t, m.Root+"/control") // no control and alias in it
	say := func(s string) { t.Errorf("said %s", s) }
	for name, f := range map[string]func(func(string)) error{
		"Names": func(say func(string)) error { return m.Names("a.b", say) }, "Aliases": m.Aliases, "Delivery": m.Delivery, "Rules": m.Rules,
	} {
		var step *StepError
		if err := f(say); !errors.As(err, &step) || step.Op != "write" || !sys.IsNotExist(err) {
			t.Errorf("%s without directories: %v", name, err)
		}
	}
}

func mustOpen(t *testing.T, dir string) *sys.Dir {
	t.Helper()
	d, err := sys.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestRules(t *testing.T) {
	b, err := CompileRules([]byte(DefaultRules))
	if err != nil {
		t.Fatal(err)
	}
	db, err := cdb.New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"127.": "+RELAYCLIENT=\x00", "::1": "+RELAYCLIENT=\x00", "": ""} {
		if data, found, err := db.Get([]byte(key)); string(data) != want || !found || err != nil {
			t.Errorf("rule %q = %q, %v, %v", key, data, found, err)
		}
	}
	if _, err := CompileRules([]byte("nonsense\n")); err == nil {
		t.Error("a bad line is taken")
	}
}

// TestPutLink: a broken link counts as there, and is not written through.
func TestPutLink(t *testing.T) {
	m, _ := made(t)
	if err := os.Symlink("/nonexistent/x", m.Root+"/control/me"); err != nil {
		t.Fatal(err)
	}
	if did, err := m.Put("control", "me", "x\n", role.Owner); did || err != nil {
		t.Errorf("Put over a link = %v, %v", did, err)
	}
}

func TestIsNullClient(t *testing.T) {
	for target, want := range map[string]bool{"qmail-qmqpc": true, "other": false, "": false} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if target != "" {
			if err := os.Symlink(target, root+"/bin/qmail-queue"); err != nil {
				t.Fatal(err)
			}
		}
		if got := IsNullClient(mustOpen(t, root)); got != want {
			t.Errorf("link to %q: %v", target, got)
		}
	}
}
