package aliases

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"goqmail/internal/forwarddb"
)

var hosts = &Hosts{Default: "dh.example", Domain: "dd.example", Plus: "pd.example"}

// printed are the records that Compile puts, as printforward shows them, in
// fewer bytes: "a@: &b &c", "a@ ?owner".
func printed(text string) (out []string, err error) {
	err = Compile([]byte(text), hosts, func(key, data []byte) error {
		if key[0] == '?' {
			out = append(out, string(key[1:])+" ?"+string(data))
			return nil
		}
		line := string(key[1:]) + ":"
		commands, err := forwarddb.ParseCommands(data)
		for _, c := range commands {
			line += " " + c.String()
		}
		out = append(out, line)
		return err
	})
	return out, err
}

// What Debian's newaliases 0.51 does. In the errors, LINE is the text.
var aliasTests = []struct {
	text string
	want []string
	err  string
}{
	// The table.
	{"", nil, ""},
	{"\n", nil, ""},
	{"root: alice, bill\n", []string{"root@: &bill@dh.example &alice@dh.example"}, ""},
	{"Root: Alice@Host\n", []string{"root@: &Alice@Host.dd.example"}, ""},
	{"x: y\na: b", []string{"x@: &y@dh.example"}, ""},
	{"a: b\n c", []string{"a@: &b@dh.example"}, ""},
	{"a: b,\n c,\n\n\td\n", []string{"a@: &d@dh.example &c@dh.example &b@dh.example"}, ""},
	{"a: b\n# c\n d: e\nf: g\n", []string{"a@: &b@dh.example", "f@: &g@dh.example"}, ""},
	{"#a\n\n x: y\n", nil, ""},
	{"\n\n lead: x\n", []string{"lead@: &x@dh.example"}, ""},
	{" # c\n", []string{"#@: &c@dh.example"}, ""},
	{"a: b\na: c\n", []string{"a@: &b@dh.example", "a@: &c@dh.example"}, ""},
	{"a: b\r\n\r\nc: d\n", []string{"a@: &b@dh.example", "c@: &d@dh.example"}, ""},
	{"()\n,\n:\n;\n \t\n", nil, ""},

	// The alias.
	{"x y: q\n", []string{"x@: &q@dh.example &y@dh.example"}, ""},
	{"a b c\n", []string{"a@: &c@dh.example &b@dh.example"}, ""},
	{"@dom: x\n", []string{"@dom: &x@dh.example"}, ""},
	{"a@B+: c\n", []string{"a@b+: &c@dh.example"}, ""},
	{"\"a b\": c\n", []string{"a b@: &c@dh.example"}, ""},
	{"\"a@b\": c\n", []string{"a@b@: &c@dh.example"}, ""},
	{"(c) a (d): (e) b (f)\n", []string{"a@: &b@dh.example"}, ""},
	{"Name <a>: b\n", []string{"a@: &b@dh.example"}, ""},
	{"|x: b\n", []string{"b@: !x"}, ""},
	{":include:/f x: y\n", []string{"x@: &y@dh.example /f.bin"}, ""},

	// Owners.
	{"list: :include:/etc/stafflist\nowner-list: bill\n",
		[]string{"list@: /etc/stafflist.bin", "list@ ?owner-list@dh.example", "owner-list@: &bill@dh.example"}, ""},
	{"owner-A@b: c\n", []string{"a@b ?owner-A@b.dd.example", "owner-a@b: &c@dh.example"}, ""},
	{"owner-@b+: c\n", []string{"@b+ ?owner-@b.pd.example", "owner-@b+: &c@dh.example"}, ""},
	{"OWNER-a: c\n", []string{"owner-a@: &c@dh.example"}, ""},

	// Addresses.
	{"t: a@b, a@b.c, a@b+, a@b.c+, a@[1.2.3.4]\n",
		[]string{"t@: &a@[1.2.3.4] &a@b.c.pd.example &a@b.pd.example &a@b.c &a@b.dd.example"}, ""},
	{"t: b@, \"a@b\", b@c@, x.\n", []string{"t@: &x.@dh.example &b@c@dh.example &a@b@dh.example &b@dh.example"}, ""},
	{"t: Joe <a@b>, \"q r\"@s\n", []string{"t@: &q r@s.dd.example &a@b.dd.example"}, ""},
	{"t: x<y>z (c) w\n", []string{"t@: &w@dh.example &z@dh.example &y@dh.example"}, ""},
	{"t: <<b>>\n", []string{"t<@: &b>@dh.example"}, ""},
	{"t: <@r,@s:a@b>\n", []string{"t@: &@r,@s:a@b.dd.example"}, ""},
	{"t: <a b;c,d>\n", []string{"t@: &ab;c,d@dh.example"}, ""},
	{"t: g: b, c;\n", []string{"t@: &c@dh.example &b@dh.example &g@dh.example"}, ""},
	{"t: x:y a;.b\n", []string{"t@: &a.b@dh.example &y@dh.example &x@dh.example"}, ""},
	{"t: [a]b c[d] \"e\"f\n", []string{"t@: &f@dh.example &e@dh.example &[d]@dh.example &c@dh.example &b@dh.example &[a]@dh.example"}, ""},
	{"t: \"a\n b\", c\\\n\n", []string{"t@: &c\n@dh.example &a\n b@dh.example"}, ""},
	{"t: !x, \"&y\", ?z, ~u\n", []string{"t@: &~u@dh.example &?z@dh.example &&y@dh.example &!x@dh.example"}, ""},

	// Programs and :include:.
	{"p: \"|/usr/bin/prog2 a b\"\n", []string{"p@: !/usr/bin/prog2 a b"}, ""},
	{"p: |a.b, \"|c d@e\", |, x\n", []string{"p@: ! !c d@e !a.b &x@dh.example"}, ""},
	{"p: |q@r\n", []string{"p@: &|q@r.dd.example"}, ""},
	{"t: :include:/a,c\n", []string{"t@: /a.bin &c@dh.example"}, ""},
	{"t: :include:a b, c\n", []string{"t@: &c@dh.example ./a.bin &b@dh.example"}, ""},
	{"t: x: include : \"/a b\"\n", []string{"t@: /a b.bin &x@dh.example"}, ""},
	{"t: :include::/a@b\n", []string{"t@: /a@b.bin"}, ""},
	{"t: c.:\\include:.a/b.c\n", []string{"t@: .a/b.c.bin &c.@dh.example"}, ""},

	// What is refused. Records before it have been put.
	{"x: y\nnocolon\n", []string{"x@: &y@dh.example"}, "unable to parse this line: nocolon\n"},
	{"a:\n \"x\n\n y\n", nil, "unable to parse this line: a:\n \"x\n y\n"},
	{"a: .b\n", nil, "unable to parse this line: LINE"},
	{"a: b>\n", nil, "unable to parse this line: LINE"},
	{"a: )\n", nil, "unable to parse this line: LINE"},
	{"a\x00\"\n", nil, "unable to parse this line: a"},
	{"|p\n", nil, "unable to parse this line: LINE"},
	{"<>: b\n", nil, "empty recipient addresses not permitted"},
	{"a: x, \"\"\n", nil, "empty recipient addresses not permitted"},
	{"a: :include: , x\n", nil, "empty :include: filenames not permitted"},
	{"a: /x\x00y\n", nil, "file delivery /x not supported"},
	{"a: :Include:/x, <>\n", nil, "empty recipient addresses not permitted"},
	{"a: <>, :\"include\":/x\n", nil, "file delivery /x not supported"},
	{"a: b\x00\n", nil, "NUL not permitted in recipient addresses"},
	{"a: |b\x00\n", nil, "NUL not permitted in program names"},
	{"a: :include:b\x00\n", nil, "NUL not permitted in :include: filenames"},
	{"a: " + strings.Repeat("b", 790) + "\n", nil, "addresses over 800 bytes are not permitted"},
	{strings.Repeat("b", 790) + ": a\n", nil, "addresses over 800 bytes are not permitted"},
}

func TestCompile(t *testing.T) {
	for _, tt := range aliasTests {
		got, err := printed(tt.text)
		text := ""
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Long != strings.Contains(e.Text, "over") {
				t.Errorf("Compile(%.60q): %#v", tt.text, err)
			}
			text = err.Error()
		}
		if want := strings.Replace(tt.err, "LINE", tt.text, 1); !slices.Equal(got, tt.want) || text != want {
			t.Errorf("Compile(%.60q) =\n%q, %q, want\n%q, %q", tt.text, got, text, tt.want, want)
		}
	}
	full := strings.Repeat("b", 789)
	if got, err := printed("a: " + full + "\n"); err != nil || got[0] != "a@: &"+full+"@dh.example" {
		t.Errorf("an address of 800 bytes: %q, %v", got, err)
	}
	for _, text := range []string{"a: b\n", "owner-a: b\n"} {
		stop := errors.New("stop")
		if err := Compile([]byte(text), hosts, func([]byte, []byte) error { return stop }); err != stop {
			t.Errorf("Compile(%q) = %v, want put's error", text, err)
		}
	}
}

// What Debian's newinclude 0.51 does; entries without "&" and NUL here.
var includeTests = []struct{ text, want, err string }{
	{"", "", ""},
	{"a@b\nc@d", "&a@b.dd.example &c@d.dd.example", ""},
	{":include:/x/other\na@b.c, d@e.f\ng@h.i\n", "/x/other &d@e.f &a@b.c &g@h.i", ""},
	{"#x\n\n \t\n()\n<>\n\"\"\n,:;\n", "", ""},
	{" # x\n", "&x@dh.example &#@dh.example", ""},
	{"a,\n b\n", "&a@dh.example &b@dh.example", ""},
	{"d, :include:/a,c\n:include:f g\n", "&c@dh.example /a &d@dh.example &g@dh.example ./f", ""},
	{"a@, b@c@, @, \"a@\"@\n", "&a@@.dd.example &@.dd.example &b@c@.dd.example &a@.dd.example", ""},
	{"\"a@\", @b+, a@., <x\n", "&<x@dh.example &a@. &@b.pd.example &a@@dh.example", ""},
	{"a@\"@\" a@[1+]\n", "&a@[1+].dd.example &a@@.dd.example", ""},
	{"Joe <a@b>, \"|p\"@q\n", "&|p@q.dd.example &a@b.dd.example", ""},
	{"a\\", "&a@dh.example", ""},

	{"a\n\"b\n", "", "unable to parse this line: \"b\n"},
	{"a>", "", "unable to parse this line: a>"},
	{"/x, y\n", "", "file delivery /x not supported"},
	{"\"|p x\"\n", "", "program delivery |p x not supported"},
	{"include:/f\n", "", "file delivery /f not supported"},
	{":include:\n", "", "empty :include: filenames not permitted"},
	{":include:a\x00\n", "", "NUL not permitted in :include: filenames"},
	{":include:a\\\n", "", "newlines not permitted in :include: filenames"},
	{"a\x00\n", "", "NUL not permitted in recipient addresses"},
	{"a\x00\\\n", "", "newlines not permitted in recipient addresses"},
	{strings.Repeat("b", 790) + "\n", "", "addresses must be under 800 bytes"},
}

func TestCompileInclude(t *testing.T) {
	for _, tt := range includeTests {
		list, err := CompileInclude([]byte(tt.text), hosts)
		got := strings.ReplaceAll(strings.TrimSuffix(string(list), "\x00"), "\x00", " ")
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tt.want || text != tt.err {
			t.Errorf("CompileInclude(%.60q) = %q, %q, want %q, %q", tt.text, got, text, tt.want, tt.err)
		}
	}
	if list, err := CompileInclude([]byte(strings.Repeat("b", 789)), hosts); err != nil || len(list) != 802 {
		t.Errorf("an address of 800 bytes: %q, %v", list, err)
	}
	if bin, tmp := ListNames("/a/b"); bin != "/a/b.bin" || tmp != "/a/b.tmp" {
		t.Errorf("ListNames = %q, %q", bin, tmp)
	}
}

// FuzzCompile: every record is one that fastforward reads, and a table of two
// copies gives every record twice.
func FuzzCompile(f *testing.F) {
	for _, tt := range aliasTests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		compile := func(text []byte) (keys, datas []byte, err error) {
			err = Compile(text, hosts, func(key, data []byte) error {
				if _, err := forwarddb.AppendText(nil, key, data); err != nil {
					t.Errorf("Compile(%q) puts %q, %q: %v", text, key, data, err)
				}
				keys, datas = append(append(keys, key...), 0), append(append(datas, data...), 1)
				return nil
			})
			return keys, datas, err
		}
		text = text[:bytes.LastIndexByte(text, '\n')+1]
		keys, datas, err := compile(text)
		if err != nil || len(text) == 0 || text[0] == ' ' || text[0] == '\t' || text[0] == '\n' {
			return
		}
		keys2, datas2, err := compile(append(append([]byte(nil), text...), text...))
		if err != nil || !bytes.Equal(keys2, append(keys, keys...)) || !bytes.Equal(datas2, append(datas, datas...)) {
			t.Errorf("twice %q gives %q, %q, %v, once %q, %q", text, keys2, datas2, err, keys, datas)
		}
	})
}

// FuzzCompileInclude: the list is one that printmaillist reads; its lines are
// independent.
func FuzzCompileInclude(f *testing.F) {
	for _, tt := range includeTests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := CompileInclude(text, hosts)
		if err != nil {
			return
		}
		if _, err := forwarddb.ListText(list); err != nil {
			t.Errorf("CompileInclude(%q) = %q: %v", text, list, err)
		}
		var lines []byte
		for line := range bytes.Lines(text) {
			one, err := CompileInclude(line, hosts)
			if err != nil {
				t.Fatalf("CompileInclude(%q) alone: %v", line, err)
			}
			lines = append(lines, one...)
		}
		if !bytes.Equal(lines, list) {
			t.Errorf("CompileInclude(%q) = %q, line by line %q", text, list, lines)
		}
	})
}
