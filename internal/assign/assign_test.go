package assign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"goqmail/internal/address"
	"goqmail/internal/cdb"
	"goqmail/internal/pipe"
)

// lines of users/assign with the record that each gives.
var lines = []struct{ line, key, data string }{
	{"=joe:joe:501:20:/home/joe:::", "!joe\x00", "joe\x00501\x0020\x00/home/joe\x00\x00"},
	{"+joe-:joe:501:20:/home/joe:-::", "!joe-", "joe\x00501\x0020\x00/home/joe\x00-\x00"},
	{"+:alias:7790:2108:/var/qmail/alias:-::", "!", "alias\x007790\x002108\x00/var/qmail/alias\x00-\x00"},
	{"=JOE:Joe:1:2:/H:::", "!joe\x00", "Joe\x001\x002\x00/H\x00\x00"},
	{"+F6:f6:1:2:/h:-:Pre-:", "!f6", "f6\x001\x002\x00/h\x00-\x00Pre-"},
	{"=:x:1:2:/h:::", "!\x00", "x\x001\x002\x00/h\x00\x00"},
	{"=joe:joe:501:20:/home/joe:::trailing:text", "!joe\x00", "joe\x00501\x0020\x00/home/joe\x00\x00"},
	{" =joe:joe:1:2:/h:::", "!=joe\x00", "joe\x001\x002\x00/h\x00\x00"},
	{"#c:a:1:2:/h:::", "!c\x00", "a\x001\x002\x00/h\x00\x00"},
	{"=x:x:-1:99999999999:/h:a:b:c", "!x\x00", "x\x00-1\x0099999999999\x00/h\x00a\x00b"},
	{"=\xc9\xff:x:1:2:/h:::", "!\xc9\xff\x00", "x\x001\x002\x00/h\x00\x00"},
}

func TestParseLine(t *testing.T) {
	for _, tt := range lines {
		e, err := ParseLine([]byte(tt.line))
		if err != nil || string(e.Key()) != tt.key || string(e.Data()) != tt.data {
			t.Errorf("%q: key %q, data %q, error %v, want %q, %q", tt.line, e.Key(), e.Data(), err, tt.key, tt.data)
		}
	}
	for _, line := range []string{
		"", "x", "=joe", ":joe:1:2:/h:::", "=joe:joe:501:20:/home/joe::", "=j\x00e:a:1:2:/h:::",
		"=joe:a:1:2:/h:::\x00", "=a:b",
	} {
		if e, err := ParseLine([]byte(line)); err != ErrFormat {
			t.Errorf("%q: %+v, error %v, want ErrFormat", line, e, err)
		}
	}
}

// compile returns the records as "key=data" strings.
func compile(text string) (out []string, err error) {
	err = Compile([]byte(text), func(key, data []byte) error {
		out = append(out, string(key)+"="+string(data))
		return nil
	})
	return out, err
}

func TestCompile(t *testing.T) {
	const joe = "!joe\x00=joe\x001\x002\x00/h\x00\x00"
	tests := []struct {
		name, in string
		want     []string
		bad      bool
	}{
		{"end only", ".\n", []string{"="}, false},
		{"end without LF", ".", []string{"="}, false},
		{"end with text", "=joe:joe:1:2:/h:::\n.x\nrubbish", []string{joe, "="}, false},
		{"no end", "=joe:joe:1:2:/h:::\n", []string{joe}, true},
		{"no LF", "=joe:joe:1:2:/h:::", nil, true},
		{"empty file", "", nil, true},
		{"empty line", "=joe:joe:1:2:/h:::\n\n.\n", []string{joe}, true},
		{"ends in order, once", "+a-:::::::\n+b+:::::::\n+c-:::::::\n+:::::::\n.\n",
			[]string{"!a-=\x00\x00\x00\x00\x00", "!b+=\x00\x00\x00\x00\x00", "!c-=\x00\x00\x00\x00\x00", "!=\x00\x00\x00\x00\x00", "=-+"}, false},
		{"capital end", "+AbX:::::::\n+abx:::::::\n.\n",
			[]string{"!abx=\x00\x00\x00\x00\x00", "!abx=\x00\x00\x00\x00\x00", "=x"}, false},
	}
	for _, tt := range tests {
		got, err := compile(tt.in)
		if (err != nil) != tt.bad || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
			t.Errorf("%s: %q, error %v, want %q", tt.name, got, err, tt.want)
		}
	}
	errPut := errors.New("disk full")
	if err := Compile([]byte("=a:::::::\n."), func(_, _ []byte) error { return errPut }); err != errPut {
		t.Errorf("failing put: error %v", err)
	}
}

// A table is a Getter: keys and data in memory, the first of equal keys counts.
type table map[string]string

func (m table) Get(key []byte) ([]byte, bool, error) {
	s, ok := m[string(key)]
	return []byte(s), ok, nil
}

func newTable(t testing.TB, text string) table {
	t.Helper()
	m := make(table)
	err := Compile([]byte(text), func(key, data []byte) error {
		if _, ok := m[string(key)]; !ok {
			m[string(key)] = string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// example is the table of spec/spawn.md section 6.
const example = `=joe.exact:f6joe:1:2:/h:::
+joe-:f6joe:1:2:/h:-::
+F6:f6ann:1:2:/h:-:pre-:
=Upper:f6joe:1:2:/h::x:
+ABC:f6abc:1:2:/h:-::
+:alias:3:4:/a:-::
.
`

func TestLookup(t *testing.T) {
	db := newTable(t, example)
	tests := []struct{ box, user, dash, ext string }{
		{"joe.exact", "f6joe", "", ""},
		{"JOE.EXACT", "f6joe", "", ""},
		{"joe-A-b", "f6joe", "-", "A-b"},
		{"joe-", "f6joe", "-", ""},
		{"JOE-", "f6joe", "-", ""},
		{"joe", "alias", "-", "joe"},
		{"f6xYz", "f6ann", "-", "pre-xYz"},
		{"f6", "f6ann", "-", "pre-"},
		{"UPPER", "f6joe", "", "x"},
		{"upper-x", "alias", "-", "upper-x"},
		{"abcd", "f6abc", "-", "d"},
		{"", "alias", "-", ""},
		{"joe.exact\x00", "alias", "-", "joe.exact"},
	}
	for _, tt := range tests {
		n, found, err := Lookup(db, tt.box)
		if err != nil || !found || n.User != tt.user || n.Dash != tt.dash || n.Ext != tt.ext {
			t.Errorf("Lookup(%q) = %+v, %v, %v, want %s %q %q", tt.box, n, found, err, tt.user, tt.dash, tt.ext)
		}
	}
	if n, found, err := Lookup(newTable(t, "=a:b:1:2:/h:::\n."), "b"); found || err != nil {
		t.Errorf("no entry: %+v, %v, %v", n, found, err)
	}
}

// failing fails from the n-th look-up on.
type failing struct {
	table
	n int
}

func (f *failing) Get(key []byte) ([]byte, bool, error) {
	if f.n--; f.n < 0 {
		return nil, false, cdb.ErrFormat
	}
	return f.table.Get(key)
}

func TestLookupErrors(t *testing.T) {
	db := newTable(t, example)
	// joe-x needs "", "!joe-x\0", "!joe-": the third answers.
	for n := 0; n < 3; n++ {
		if _, found, err := Lookup(&failing{db, n}, "joe-x"); found || err != cdb.ErrFormat {
			t.Errorf("look-up %d fails: %v, %v", n, found, err)
		}
	}
	if _, _, err := Lookup(table{"!joe\x00": "x"}, "joe"); err != ErrNoWildcards {
		t.Errorf("no empty key: error %v", err)
	}
	if _, found, err := Lookup(table{"": "", "!joe\x00": "joe\x001\x002\x00/h"}, "joe"); found || !errors.Is(err, pipe.ErrFormat) {
		t.Errorf("too few fields: %v, %v", found, err)
	}
}

// TestC looks up in the file that notqmail 1.09's qmail-newu made.
func TestC(t *testing.T) {
	b, err := os.ReadFile("../cdb/testdata/newu-notqmail-1.09.cdb")
	if err != nil {
		t.Fatal(err)
	}
	db, err := cdb.New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for box, want := range map[string]string{"joe": "joe 501 20 /home/joe  ", "Joe-Y": "joe 501 20 /home/joe - Y", "zz": "alias 7790 2108 /var/qmail/alias - zz"} {
		n, found, err := Lookup(db, box)
		got := strings.Join([]string{n.User, n.UID, n.GID, n.Home, n.Dash, n.Ext}, " ")
		if !found || err != nil || got != want {
			t.Errorf("Lookup(%q) = %q, %v, %v, want %q", box, got, found, err, want)
		}
	}
}

// FuzzLine: a line that parses has one spelling, which parses to the same entry.
func FuzzLine(f *testing.F) {
	for _, tt := range lines {
		f.Add([]byte(tt.line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		e, err := ParseLine(line)
		if err != nil {
			return
		}
		again := e.AppendLine(nil)
		e2, err := ParseLine(again[:len(again)-1])
		if err != nil || e2 != e {
			t.Errorf("%q gives %+v, spelled %q gives %+v, error %v", line, e, again, e2, err)
		}
		if n, _, err := decode(e.Data(), ""); err != nil || n != e.Nughde {
			t.Errorf("%q: data %q decodes to %+v, error %v", line, e.Data(), n, err)
		}
	})
}

// FuzzLookup compares Lookup with the rule told in another way: walk over all
// entries, the first exact one wins, else the first of the longest prefix.
func FuzzLookup(f *testing.F) {
	for _, box := range []string{"joe", "JOE-a", "f6x", "", "abcd", "upper"} {
		f.Add([]byte(example), box)
	}
	f.Fuzz(func(t *testing.T, text []byte, box string) {
		if strings.IndexByte(box, 0) >= 0 {
			return // a local part is an argument: it has no NUL
		}
		var entries []Entry
		db := make(table)
		err := Compile(text, func(key, data []byte) error {
			if _, ok := db[string(key)]; !ok {
				db[string(key)] = string(data)
			}
			return nil
		})
		if err != nil {
			return
		}
		for !IsEnd(text) {
			i := bytes.IndexByte(text, '\n')
			e, err := ParseLine(text[:i])
			if err != nil {
				t.Fatal("Compile accepted a line that does not parse")
			}
			entries, text = append(entries, e), text[i+1:]
		}
		want, longest := (*Entry)(nil), -1
		for i, e := range entries {
			switch {
			case !e.Prefix && address.EqualFold(e.Name, box) && longest <= len(box):
				want, longest = &entries[i], len(box)+1
			case e.Prefix && address.HasPrefixFold(box, e.Name) && len(e.Name) > longest:
				want, longest = &entries[i], len(e.Name)
			}
		}
		n, found, err := Lookup(db, box)
		if err != nil || found != (want != nil) {
			t.Fatalf("Lookup(%q) = %+v, %v, %v, want %+v", box, n, found, err, want)
		}
		if want != nil {
			w := want.Nughde
			if want.Prefix {
				w.Ext += box[len(want.Name):]
			}
			if n != w {
				t.Errorf("Lookup(%q) = %+v, want %+v", box, n, w)
			}
		}
	})
}
