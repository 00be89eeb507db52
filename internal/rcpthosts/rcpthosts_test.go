package rcpthosts

import (
	"os"
	"path/filepath"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/control"
	"goqmail/internal/testkit"
)

// control makes a home with the two files; "-" leaves one out.
func newHome(t *testing.T, hosts, more string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "control"), 0o755); err != nil {
		t.Fatal(err)
	}
	if hosts != "-" {
		if err := os.WriteFile(filepath.Join(home, "control", File), []byte(hosts), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if more == "-" {
		return home
	}
	f, err := os.Create(filepath.Join(home, "control", MoreCDB))
	if err != nil {
		t.Fatal(err)
	}
	w, err := cdb.NewWriter(f)
	for _, key := range control.ParseList([]byte(more)) {
		if err == nil {
			err = w.Put([]byte(key), nil)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return home
}

// open opens the files of a home; the error is Open's.
func open(t *testing.T, home string) (*Hosts, error) {
	t.Helper()
	c, err := control.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	h, err := Open(c)
	if err == nil {
		t.Cleanup(h.Close)
	}
	return h, err
}

func TestMatch(t *testing.T) {
	const hosts, more = "One.Example\n.wild.org\n# x\n.\n", "two.example\n.more.org\n"
	tests := []struct {
		hosts, more, addr string
		want              bool
	}{
		{"-", "-", "u@any.where", true},
		{"-", more, "u@any.where", true},
		{"", "-", "u@any.where", false},
		{"", "-", "postmaster", true},
		{"", "-", "", true},
		{hosts, more, "u@one.example", true},
		{hosts, more, "u@ONE.EXAMPLE", true},
		{hosts, more, "u@x@one.example", true},
		{hosts, more, "u@one.example@x", false},
		{hosts, more, "u@sub.one.example", false},
		{hosts, more, "u@one.example.", true}, // by the line "."
		{hosts, more, "u@", false},
		{hosts, more, "u@wild.org", false},
		{hosts, more, "u@a.wild.org", true},
		{hosts, more, "u@a.b.Wild.Org", true},
		{hosts, more, "u@.wild.org", true},
		{hosts, more, "u@two.example", true},
		{hosts, more, "u@TWO.example", true},
		{hosts, more, "u@a.b.more.org", true},
		{hosts, more, "u@more.org", false},
		{hosts, more, "u@three.example", false},
		{"one.example\n", "-", "u@one.example.", false},
		{"\xc5\xbf.example\n", "-", "u@s.example", false},
	}
	for _, tt := range tests {
		h, err := open(t, newHome(t, tt.hosts, tt.more))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Match(tt.addr); got != tt.want || err != nil {
			t.Errorf("rcpthosts %q, more %q: Match(%q) = %v, %v, want %v", tt.hosts, tt.more, tt.addr, got, err, tt.want)
		}
	}
}

func TestTrouble(t *testing.T) {
	for name, spoil := range map[string]func(path string){
		"directory": func(path string) { testkit.Occupied(t, path) },
		"loop":      func(path string) { testkit.Looping(t, path) },
	} {
		home := newHome(t, "-", "-")
		spoil(filepath.Join(home, "control", File))
		if _, err := open(t, home); err == nil {
			t.Errorf("rcpthosts is a %s: no error", name)
		}
	}
	home := newHome(t, "a\n", "-")
	testkit.Looping(t, filepath.Join(home, "control", MoreCDB))
	if _, err := open(t, home); err == nil {
		t.Error("morercpthosts.cdb is a loop: no error")
	}
	for name, spoil := range map[string]func(path string) error{
		"empty":     func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"junk":      func(path string) error { return os.WriteFile(path, make([]byte, 100), 0o644) },
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		home := newHome(t, "a\n", "-")
		if err := spoil(filepath.Join(home, "control", MoreCDB)); err != nil {
			t.Fatal(err)
		}
		h, err := open(t, home)
		if err != nil {
			t.Fatalf("morercpthosts.cdb is %s: Open: %v", name, err)
		}
		if ok, err := h.Match("u@a"); !ok || err != nil {
			t.Errorf("morercpthosts.cdb is %s: a host of rcpthosts: %v, %v", name, ok, err)
		}
		if ok, err := h.Match("u@b"); ok || err == nil {
			t.Errorf("morercpthosts.cdb is %s: Match = %v, %v, want an error", name, ok, err)
		}
	}
}
