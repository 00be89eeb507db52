package token822

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// mustParse is Parse for texts that are known to be good.
func mustParse(t testing.TB, s string) List {
	t.Helper()
	l, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q) = %v", s, err)
	}
	return l
}

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want List
	}{
		{"", List{}},
		{" \t\r\n", List{}},
		{"joe", List{{Atom, "joe"}}},
		{"a.b,c@d<e>f:g;", List{{Atom, "a"}, {Dot, ""}, {Atom, "b"}, {Comma, ""}, {Atom, "c"}, {At, ""}, {Atom, "d"},
			{Left, ""}, {Atom, "e"}, {Right, ""}, {Atom, "f"}, {Colon, ""}, {Atom, "g"}, {Semicolon, ""}}},
		{`"a b"`, List{{Quoted, "a b"}}},
		{`"a\"b\\"x`, List{{Quoted, `a"b\`}, {Atom, "x"}}},
		{`"plain" "esc\aped"`, List{{Quoted, "plain"}, {Quoted, "escaped"}}},
		{`""`, List{{Quoted, ""}}},
		{"[1.2.3.4]", List{{Literal, "1.2.3.4"}}},
		{`[a\]b[c]`, List{{Literal, "a]b[c"}}},
		{"[]", List{{Literal, ""}}},
		{"(a (nested) c)", List{{Comment, "a nested c"}}},
		{`(c\)c)`, List{{Comment, "c)c"}}},
		{"()x", List{{Comment, ""}, {Atom, "x"}}},
		{`a\ b@x`, List{{Atom, "a b"}, {At, ""}, {Atom, "x"}}},
		{`a\@b`, List{{Atom, "a@b"}}},
		{"a\\\n", List{{Quoted, "a\n"}}},
		{`a\`, List{{Atom, "a"}}},
		{`\`, List{{Atom, ""}}},
		{"\xe9t\xe9", List{{Quoted, "\xe9t\xe9"}}},
		{"a\x00b", List{{Quoted, "a\x00b"}}},
		{"a\x7fb", List{{Quoted, "a\x7fb"}}},
		{"a)b]c", List{{Quoted, "a)b]c"}}},
		{`a\\b`, List{{Quoted, `a\b`}}},
		{"a\x0bb", List{{Quoted, "a\x0bb"}}},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{")", "a )", "]", `"a`, `"a\"`, `"a\`, "(a", "(a (b)", `(a\)`, `(\`, "[a", `[a\]`, "<a> ]"} {
		if got, err := Parse(in); !errors.Is(err, ErrToken) {
			t.Errorf("Parse(%q) = %v, %v, want ErrToken", in, got, err)
		}
	}
}

func TestUnparse(t *testing.T) {
	tests := []struct {
		name string
		in   List
		max  int
		want string
	}{
		{"nothing", nil, LineMax, "\n"},
		{"blanks", mustParse(t, `To : Joe(c)"q"[l].<a . b @ c> d,e:f;`), LineMax, `To: Joe (c) "q" [l]. <a.b@c>d, e: f;` + "\n"},
		{"escapes", List{{Quoted, "\"[]()\\\r\na"}}, LineMax, "\"\\\"\\[\\]\\(\\)\\\\\\\r\\\na\"\n"},
		{"escapes in atoms", List{{Atom, `a"b`}, {Literal, "]"}, {Comment, ")"}}, LineMax, `a\"b [\]] (\))` + "\n"},
		{"commas only", mustParse(t, ",,"), LineMax, ", ,\n"},
		{"fits", mustParse(t, "a,b"), 5, "a, b\n"},
		{"does not fit", mustParse(t, "a,b"), 3, "a,\n  b\n"},
		{"no folding", mustParse(t, "aaaa,bbbb,cccc"), 0, "aaaa, bbbb, cccc\n"},
		{"greedy", mustParse(t, "a,b,c,d,e"), 8, "a, b, c,\n  d, e\n"},
		{"long part", mustParse(t, "a,bbbbbbbbbb,c"), 6, "a,\n  bbbbbbbbbb,\n  c\n"},
		{"comma last", mustParse(t, "aaaa,"), 3, "aaaa,\n \n"},
	}
	for _, tt := range tests {
		if got := string(tt.in.Unparse(tt.max)); got != tt.want {
			t.Errorf("%s: Unparse(%v, %d) = %q, want %q", tt.name, tt.in, tt.max, got, tt.want)
		}
	}
}

func TestAddress(t *testing.T) {
	in := mustParse(t, `"b c".d@[1.2](x)<,>:;`)
	if got, want := in.Address(), `b c.d@[1.2]<,>:;`; got != want {
		t.Errorf("Address() = %q, want %q", got, want)
	}
}

// testDefaults are the defaults of spec/inject.md.
func testDefaults(t testing.TB) *Defaults {
	return &Defaults{
		Host:   mustParse(t, "mx.example.test"),
		Domain: mustParse(t, "example.test"),
		Plus:   mustParse(t, "example.test"),
	}
}

// rewriteTests is the table of spec/inject.md section 5 and what surrounds it:
// the field's content, what becomes of it, and the addresses in the order in
// which they are found. Observed with notqmail 1.09.
var rewriteTests = []struct{ in, want, found string }{
	{"joe", "joe@mx.example.test", "joe@mx.example.test"},
	{"joe@a", "joe@a.example.test", "joe@a.example.test"},
	{"joe@a.b", "joe@a.b", "joe@a.b"},
	{"joe@a+", "joe@a.example.test", "joe@a.example.test"},
	{"joe@a.b+", "joe@a.b.example.test", "joe@a.b.example.test"},
	{"joe@[1.2.3.4]", "joe@[1.2.3.4]", "joe@[1.2.3.4]"},
	{"foo@[]", "foo@[]", "foo@[]"},
	{"<>", "<>", ""},
	{"<joe>", "<joe@mx.example.test>", "joe@mx.example.test"},
	{"Joe User <joe@x>", "Joe User <joe@x.example.test>", "joe@x.example.test"},
	{"joe (Joe User)", "joe@mx.example.test (Joe User)", "joe@mx.example.test"},
	{"(c) joe", "joe@mx.example.test (c)", "joe@mx.example.test"},
	{"a,b , c", "a@mx.example.test, b@mx.example.test, c@mx.example.test", "c@mx.example.test b@mx.example.test a@mx.example.test"},
	{"a b c", "a@mx.example.test, b@mx.example.test, c@mx.example.test", "c@mx.example.test b@mx.example.test a@mx.example.test"},
	{"grp: a@x.y, b@x.y; , c@x.y", "grp: a@x.y, b@x.y;, c@x.y", "c@x.y b@x.y a@x.y"},
	{"x@x.y, g: ;", "x@x.y, g: ;", "x@x.y"},
	{"grp:;", "grp: ;", "none"},
	{"", "", "none"},
	{"<@r1,@r2:joe@x>", "<joe@x.example.test>", "joe@x.example.test"},
	{"<@r1@r2>", "<>", ""},
	{"joe@", "joe@mx.example.test", "joe@mx.example.test"},
	{"joe.", "joe@mx.example.test", "joe@mx.example.test"},
	{"joe@a.b.", "joe@a.b", "joe@a.b"},
	{"@joe", "", ""},
	{".joe", ".joe@mx.example.test", ".joe@mx.example.test"},
	{"joe..u@x", "joe..u@x.example.test", "joe..u@x.example.test"},
	{`"a b"@x`, `"a b"@x.example.test`, "a b@x.example.test"},
	{"joe . u @ x . y", "joe.u@x.y", "joe.u@x.y"},
	{"joe@x.y (a (nested) c)", "joe@x.y (a nested c)", "joe@x.y"},
	{"<joe@x.y> junk@x.y", "<joe@x.y>, junk@x.y", "junk@x.y joe@x.y"},
	{"Joe. U <joe@x.y>", "Joe.U <joe@x.y>", "joe@x.y"},
	{"a@b@c", "a@b@c.example.test", "a@b@c.example.test"},
	{"a@b.c,,c@d.e", "a@b.c, , c@d.e", "c@d.e a@b.c"},
	{"a <b> c <d>", "a <b@mx.example.test>c <d@mx.example.test>", "d@mx.example.test b@mx.example.test"},
	{`a\ b@x.y`, "a b@x.y", "a b@x.y"},
	{`"q" <a@b.c> (z), d@e.f`, `"q" <a@b.c>(z), d@e.f`, "d@e.f a@b.c"},
	{"a@b.c (x) c@d.e", "a@b.c, c@d.e (x)", "c@d.e a@b.c"},
	{"x <a", "x <a@mx.example.test", "x<a@mx.example.test"},
	{"<a (y)@b (z)>", "<a (y)@b (z).example.test>", "a@b.example.test"},
	{"[1.2] a@b.c", "[1.2]@mx.example.test, a@b.c", "a@b.c [1.2]@mx.example.test"},
	{"a@b.c;d@e.f", "a@b.c;, d@e.f", "d@e.f a@b.c"},
	{"a@++", "a@+.example.test", "a@+.example.test"},
}

func TestRewrite(t *testing.T) {
	d := testDefaults(t)
	for _, tt := range rewriteTests {
		var found []string
		got, err := mustParse(t, tt.in).Rewrite(func(a List) List {
			a = d.Complete(a)
			found = append(found, a.Address())
			return a
		})
		if err != nil {
			t.Errorf("Rewrite(%q) = %v", tt.in, err)
			continue
		}
		if text := string(got.Unparse(0)); text != tt.want+"\n" {
			t.Errorf("Rewrite(%q) = %q, want %q", tt.in, text, tt.want)
		}
		if len(found) == 0 {
			found = []string{"none"}
		}
		if all := strings.Join(found, " "); all != tt.found {
			t.Errorf("Rewrite(%q) found %q, want %q", tt.in, all, tt.found)
		}
	}
}

// A bad list is an error, and the addresses right of the bad token are found.
func TestRewriteErrors(t *testing.T) {
	tests := []struct{ in, found string }{
		{"Joe: x@y", "x@y"},
		{"@r1:joe@x", "joe@x"},
		{"a, b;c;", "c"},
		{"k>, a", "a k"},
		{":", ""},
		{"joe:", ""},
		{";;", ""},
		{"g: h: a;;", ""},
	}
	for _, tt := range tests {
		var found []string
		got, err := mustParse(t, tt.in).Rewrite(func(a List) List {
			found = append(found, a.Address())
			return a
		})
		if got != nil || !errors.Is(err, ErrList) {
			t.Errorf("Rewrite(%q) = %v, %v, want ErrList", tt.in, got, err)
		}
		if all := strings.Join(found, " "); all != tt.found {
			t.Errorf("Rewrite(%q) found %q, want %q", tt.in, all, tt.found)
		}
	}
}

// plain tells whether Unparse can write the list so that Parse gives it back.
func plain(l List) bool {
	for _, tk := range l {
		if tk.Kind != Atom {
			continue
		}
		if tk.Text == "" || needsQuotes(tk.Text) {
			return false
		}
		for i := 0; i < len(tk.Text); i++ {
			if isSpace(tk.Text[i]) || specials[tk.Text[i]] != 0 {
				return false
			}
		}
	}
	return true
}

// parted tells whether a comma stands between each literal or ">" and a "<"
// right of it. Without, a part of the one can be taken for the phrase of the
// other once the default host is there.
func parted(l List) bool {
	open := false
	for _, tk := range l {
		switch tk.Kind {
		case Comma, Colon, Semicolon:
			open = false
		case Left:
			if open {
				return false
			}
		case Literal, Right:
			open = true
		}
	}
	return true
}

// fuzzSeeds adds every text of the tables.
func fuzzSeeds(f *testing.F) {
	for _, tt := range rewriteTests {
		f.Add(tt.in, 10)
	}
	f.Add(strings.Repeat("user@host.example, ", 12)+"end", LineMax)
	f.Add(`To: "a\"b" (c\)(d)) [x\]] <@a,@b:c@d>, g: e, f;`, 20)
	f.Add("a\\\n\\ b", 0)
}

// What was read and written again reads as the same tokens, and a line is only
// longer than asked for where it has no place to break.
func FuzzUnparse(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, s string, max int) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		if len(l) > len(s) {
			t.Fatalf("Parse(%q): %d tokens of %d bytes", s, len(l), len(s))
		}
		out := l.Unparse(max)
		if len(out) > 4*len(s)+1 {
			t.Fatalf("Unparse: %d bytes of %d", len(out), len(s))
		}
		if !plain(l) {
			return
		}
		again, err := Parse(string(out))
		if err != nil || !(len(l) == 0 && len(again) == 0) && !reflect.DeepEqual(again, l) {
			t.Fatalf("Parse(Unparse(%q)) = %v, %v, want %v", s, again, err, l)
		}
		if max <= 0 || bytes.ContainsAny(out[:len(out)-1], "\"([") {
			return // quoted text can hold commas and line ends of its own
		}
		for _, line := range strings.Split(string(out), "\n") {
			if len(line) > max && strings.Contains(line, ", ") {
				t.Fatalf("Unparse(%q, %d): line %q is too long", s, max, line)
			}
		}
	})
}

// Rewriting what was rewritten changes nothing: the queue's copy of a message
// can be injected again.
func FuzzRewrite(f *testing.F) {
	fuzzSeeds(f)
	d := testDefaults(f)
	f.Fuzz(func(t *testing.T, s string, max int) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		calls, left := 0, false
		complete := func(a List) List {
			calls++
			a = d.Complete(a)
			// Of several dots, at signs or plus signs at the end, and of
			// several routes, one is taken. A stray "<" is a part of one
			// address now, and of another when it is read again.
			if n := len(a); a.Has(Left) || a.Has(Right) || n > 0 && (a[0].Kind == At || a[n-1].Kind == Dot || a[n-1].Kind == At || endsInPlus(a[n-1].Text)) {
				left = true
			}
			return a
		}
		once, err := l.Rewrite(complete)
		if calls > len(l) {
			t.Fatalf("Rewrite(%q): %d addresses in %d tokens", s, calls, len(l))
		}
		if err != nil {
			return
		}
		if left || !plain(once) || !parted(once) {
			return
		}
		text := string(once.Unparse(max))
		twice, err := mustParse(t, text).Rewrite(complete)
		if err != nil {
			t.Fatalf("Rewrite(%q), from %q: %v", text, s, err)
		}
		if again := string(twice.Unparse(max)); again != text {
			t.Fatalf("Rewrite(%q), from %q, gave %q", text, s, again)
		}
	})
}
