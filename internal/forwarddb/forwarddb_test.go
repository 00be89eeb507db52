package forwarddb

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// records collects "key=data" as Compile puts them.
func records(text string) ([]string, error) {
	var out []string
	err := Compile([]byte(text), func(key, data []byte) error {
		out = append(out, string(key)+"="+string(data))
		return nil
	})
	return out, err
}

// What Debian's setforward 0.51 does, but for an address of 800 bytes after "&",
// which it refuses.
var compileTests = []struct {
	text string
	want []string
	err  error
}{
	{"", nil, nil},
	{"a@b: c@d;", []string{":a@b=&c@d\x00"}, nil},
	{"A@B: &C@D;", []string{":a@b=&C@D\x00"}, nil},
	{"# comment\na@b: c@d; # more", []string{":a@b=&c@d\x00"}, nil},
	{"a#x\nb:c;", []string{":ab=&c\x00"}, nil},
	{"a@b:c@d;e@f:g@h;", []string{":a@b=&c@d\x00", ":e@f=&g@h\x00"}, nil},
	{"a: b,,c,;", []string{":a=&b\x00&c\x00"}, nil},
	{"a: ;", nil, nil},
	{"a:,;", nil, nil},
	{": c;", []string{":=&c\x00"}, nil},
	{"Boss@: ?owner@x.y, |prog arg\\ two, ./list.bin;", []string{"?boss@=owner@x.y", ":boss@=|progarg two\x00./list.bin\x00"}, nil},
	{"a:?o,b,?p,c;", []string{"?a=o", "?a=p", ":a=&b\x00&c\x00"}, nil},
	{"a:?;", []string{"?a="}, nil},
	{"a:&;b:.;c:/;d:|;e:!;", []string{":a=&\x00", ":b=.\x00", ":c=/\x00", ":d=|\x00", ":e=!\x00"}, nil},
	{"?a:%x;", []string{":?a=&%x\x00"}, nil},
	{"a\\:\\,b:c\\;d,\\\\\\\ne;", []string{":a:,b=&c;d\x00&\\\ne\x00"}, nil},
	{"a:\\|b,\\?c,\\ d;", []string{"?a=c", ":a=|b\x00& d\x00"}, nil},
	{"a:&&b;", []string{":a=&&b\x00"}, nil},
	{"\xc4:\xff\r;", []string{":\xc4=&\xff\r\x00"}, nil},
	{"#\x00\na:b;\\", []string{":a=&b\x00"}, nil},
	{"a:b;a:c;", []string{":a=&b\x00", ":a=&c\x00"}, nil},
	{"a:" + strings.Repeat("x", 800) + ";", []string{":a=&" + strings.Repeat("x", 800) + "\x00"}, nil},
	{"a:&" + strings.Repeat("x", 800) + ";", []string{":a=&" + strings.Repeat("x", 800) + "\x00"}, nil},
	{"a:|" + strings.Repeat("x", 900) + ";", []string{":a=|" + strings.Repeat("x", 900) + "\x00"}, nil},

	{"a: b", nil, ErrNoEnd},
	{"a", nil, ErrNoEnd},
	{"a:", nil, ErrNoEnd},
	{"a:b;c", []string{":a=&b\x00"}, ErrNoEnd},
	{"a:b\\", nil, ErrNoEnd},
	{"a,b:c;", nil, ErrNoColon},
	{";", nil, ErrNoColon},
	{"a:b;;", []string{":a=&b\x00"}, ErrNoColon},
	{"a::b;", nil, ErrColons},
	{"a:b:c;", nil, ErrColons},
	{"a:\x00b;", nil, ErrNUL},
	{"a\\\x00:b;", nil, ErrNUL},
	{"a:" + strings.Repeat("x", 801) + ";", nil, ErrTooLong},
	{"a:&" + strings.Repeat("x", 899) + ";", nil, ErrTooLong},
}

func TestCompile(t *testing.T) {
	for _, tt := range compileTests {
		got, err := records(tt.text)
		if !slices.Equal(got, tt.want) || err != tt.err {
			t.Errorf("Compile(%.60q) = %.100q, %v, want %.100q, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
	stop := errors.New("stop")
	for _, text := range []string{"a:b;", "a:?b;"} {
		if err := Compile([]byte(text), func([]byte, []byte) error { return stop }); err != stop {
			t.Errorf("Compile(%q) = %v, want put's error", text, err)
		}
	}
}

func TestAppendText(t *testing.T) {
	tests := []struct {
		key, data, want string // "" for ErrFormat
	}{
		{":a@b", "&c@d\x00", "a@b:\n, &c@d\n;\n"},
		{":A b", "|x y\x00!z;\x00/q,r\x00.s:t\x00&u#v\x00", "A\\ b:\n, |x\\ y\n, !z\\;\n, /q\\,r\n, .s\\:t\n, &u\\#v\n;\n"},
		{":sos@a.b", "&s,1@x.y\x00", "sos@a.b:\n, &s\\,1@x.y\n;\n"},
		{"?a b", "o,w", "a\\ b: ?o\\,w;\n"},
		{"?a", "", "a: ?;\n"},
		{":", "", ":\n;\n"},
		{":\x01~\x7f\x80\xff\\", "&\n\x00", "\\\x01~\x7f\\\x80\\\xff\\\\:\n, &\\\n\n;\n"},
		{":a", "&" + strings.Repeat("x", 898) + "\x00", "a:\n, &" + strings.Repeat("x", 898) + "\n;\n"},

		{"", "x", ""}, {"x", "y", ""}, {":a", "b\x00", ""}, {":a", "&b", ""}, {":a", "&b\x00&c", ""}, {":a", "\x00", ""},
		{":a", "?x\x00", ""}, {":a", "&b\x00\x00", ""}, {":a\x00b", "&c\x00", ""}, {"?a", "b\x00c", ""},
		{":a", "&" + strings.Repeat("x", 899) + "\x00", ""},
	}
	for _, tt := range tests {
		got, err := AppendText([]byte("before "), []byte(tt.key), []byte(tt.data))
		if string(got) != "before "+tt.want || errors.Is(err, ErrFormat) != (tt.want == "") {
			t.Errorf("AppendText(%.40q, %.40q) = %.80q, %v, want %.80q", tt.key, tt.data, got, err, tt.want)
		}
	}
}

// FuzzCompile: what Compile makes, printed and compiled again, is the same.
func FuzzCompile(f *testing.F) {
	for _, tt := range compileTests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var keys, datas, printed []byte
		put := func(keys, datas *[]byte) func(key, data []byte) error {
			return func(key, data []byte) error {
				*keys = append(append(*keys, key...), 0)
				*datas = append(append(*datas, data...), 0)
				return nil
			}
		}
		all := put(&keys, &datas)
		_ = Compile(text, func(key, data []byte) error { // what was put before an error counts too
			var err error
			if printed, err = AppendText(printed, key, data); err != nil {
				t.Fatalf("Compile(%q) puts %q, %q, which AppendText refuses: %v", text, key, data, err)
			}
			return all(key, data)
		})
		var keys2, datas2 []byte
		if err := Compile(printed, put(&keys2, &datas2)); err != nil || !bytes.Equal(keys, keys2) || !bytes.Equal(datas, datas2) {
			t.Errorf("Compile(%q) puts %q %q; printed as %q that gives %q %q, %v", text, keys, datas, printed, keys2, datas2, err)
		}
	})
}

// What Debian's setmaillist 0.51 does, but for an address of 800 bytes after "&".
var listTests = []struct {
	text, want string
	err        error
}{
	{"", "", nil},
	{"a@b\nc@d", "&a@b\x00&c@d\x00", nil},
	{"# c\n\n \t\na@b \t\n", "&a@b\x00", nil},
	{"&a\n./o.bin\n/x y\n.\n&\n", "&a\x00./o.bin\x00/x y\x00.\x00&\x00", nil},
	{" a\n #x\n|p\n?x\n\xff\na\r\n", "& a\x00& #x\x00&|p\x00&?x\x00&\xff\x00&a\r\x00", nil},
	{strings.Repeat("x", 800) + "  ", "&" + strings.Repeat("x", 800) + "\x00", nil},
	{"&" + strings.Repeat("x", 800), "&" + strings.Repeat("x", 800) + "\x00", nil},
	{"/" + strings.Repeat("x", 900), "/" + strings.Repeat("x", 900) + "\x00", nil},
	{"a\x00b\n", "", errListNUL},
	{"#\x00\n", "", errListNUL},
	{"a\n" + strings.Repeat("x", 801) + "\n\x00", "", errListLong},
}

func TestCompileList(t *testing.T) {
	for _, tt := range listTests {
		got, err := CompileList([]byte(tt.text))
		if string(got) != tt.want || err != tt.err {
			t.Errorf("CompileList(%.40q) = %.40q, %v, want %.40q, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestListText(t *testing.T) {
	tests := []struct {
		list, want string
		ok         bool
	}{
		{"", "", true},
		{"&a\x00/x\x00.y\x00&\x00& \x00", "&a\n/x\n.y\n&\n& \n", true},
		{"&" + strings.Repeat("x", 898) + "\x00", "&" + strings.Repeat("x", 898) + "\n", true},
		{"&a\x00/x", "&a\n", false}, // cut
		{"&a", "", false},
		{"&a\x00b\x00&c\x00", "", false},
		{"&a\x00|p\x00", "", false},
		{"!p\x00", "", false},
		{"\x00", "", false},
		{"&a\nb\x00", "", false},
		{"&" + strings.Repeat("x", 899) + "\x00", "", false},
	}
	for _, tt := range tests {
		got, err := ListText([]byte(tt.list))
		if string(got) != tt.want || (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("ListText(%.40q) = %.40q, %v, want %.40q, %v", tt.list, got, err, tt.want, tt.ok)
		}
	}
	if errCut.Error() == ErrFormat.Error() || ErrFormat.Error() == "" {
		t.Errorf("the errors read %q and %q", errCut, ErrFormat)
	}
}

// FuzzList: a list that was compiled reads as the same entries, and its text
// compiles to the same list.
func FuzzList(f *testing.F) {
	for _, tt := range listTests {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := CompileList(text)
		if err != nil {
			return
		}
		entries, err := ParseList(list)
		if err != nil || !bytes.Equal(AppendAll(nil, entries), list) {
			t.Errorf("ParseList(%q) = %q, %v", list, entries, err)
		}
		back, err := ListText(list)
		if err != nil {
			t.Fatalf("ListText(%q): %v", list, err)
		}
		if again, err := CompileList(back); err != nil || !bytes.Equal(again, list) {
			t.Errorf("CompileList(%q) = %q, %v, want %q", back, again, err, list)
		}
	})
}

// FuzzParse: what parses is stored as the same bytes.
func FuzzParse(f *testing.F) {
	f.Add([]byte("&a\x00|b c\x00!\x00/x\x00./y\x00"))
	f.Add([]byte("&a\x00x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		commands, err := ParseCommands(data)
		stored := AppendAll(nil, commands)
		if err == nil && !bytes.Equal(stored, data) || !bytes.HasPrefix(data, stored) {
			t.Errorf("ParseCommands(%q) = %q, %v", data, commands, err)
		}
	})
}

func TestKeys(t *testing.T) {
	if got := string(CommandsKey("A@B\xc4")); got != ":a@b\xc4" {
		t.Errorf("CommandsKey = %q", got)
	}
	if got := string(OwnerKey("A@B")); got != "?a@b" {
		t.Errorf("OwnerKey = %q", got)
	}
}
