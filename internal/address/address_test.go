package address

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	// Observed on C's wire (spec/remote.md section 5).
	tests := []struct{ in, want string }{
		{"a b@a", `"a b"@a`},
		{`"x"@b`, `"\"x\""@b`},
		{".dot@b", `".dot"@b`},
		{"dot.@b", `"dot."@b`},
		{"a..b@b", `"a..b"@b`},
		{"a.b@b", "a.b@b"},
		{"@b", `""@b`},
		{"a@b@c", `"a@b"@c`},
		{"\xff@b", "\"\xff\"@b"},
		{"noat", "noat"},
		{"", ""},
		{"a`b{|}~@x", "a`b{|}~@x"},
		{"a\\b\n@x", "\"a\\\\b\\\n\"@x"},
	}
	for _, tt := range tests {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestVERP(t *testing.T) {
	tests := []struct{ sender, rcpt, want string }{
		{"owner-@h.dom-@[]", "joe@d.dom", "owner-joe=d.dom@h.dom"},
		{"a@b@h-@[]", "x@y@z", "a@bx@y=z@h"},
		{"owner@h", "joe@d", "owner@h"},
		{"-@[]", "joe@d", "-@[]"},
		{"owner-@h-@[]", "joe", "owner-@h-@[]"},
		{"#@[]", "joe@d", "#@[]"},
		{"", "joe@d", ""},
	}
	for _, tt := range tests {
		if got := VERP(tt.sender, tt.rcpt); got != tt.want {
			t.Errorf("VERP(%q, %q) = %q, want %q", tt.sender, tt.rcpt, got, tt.want)
		}
	}
}

func TestCase(t *testing.T) {
	if EqualFold("te\xc5\xbft", "TEST") || !EqualFold("TeSt@[", "tEsT@[") || EqualFold("@", "`") {
		t.Error("EqualFold knows more than ASCII letters")
	}
	if got := Lower("ABC\xc0z@["); got != "abc\xc0z@[" {
		t.Errorf("Lower = %q", got)
	}
	if !HasPrefixFold("Received: x", "received") || HasPrefixFold("Rec", "received") {
		t.Error("HasPrefixFold is wrong")
	}
}

func TestPrintable(t *testing.T) {
	if got := string(Printable("a\x1b[2J\x9b\xc3\xa9\x7f ~\n", '/')); got != "a/[2J////"+" ~/" {
		t.Errorf("Printable = %q", got)
	}
}

func TestFields(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {" ", ""}, {"a", "a"}, {"\ta b \t c", "a|b|c"}, {"a\u0085b\xa0 c\v", "a\u0085b\xa0|c\v"},
	} {
		if got := strings.Join(Fields(tt.in, " \t"), "|"); got != tt.want {
			t.Errorf("Fields(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSuffixes(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a.b.c", "a.b.c .b.c .c"}, {"a", "a"}, {"", ""}, {".a", ".a"}, {"a.", "a. ."}, {"a..b", "a..b ..b .b"},
	}
	for _, tt := range tests {
		var got []string
		Suffixes(tt.in, func(s string) bool { got = append(got, s); return true })
		if strings.Join(got, " ") != tt.want {
			t.Errorf("Suffixes(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestIP(t *testing.T) {
	tests := []struct {
		in string
		ok bool
	}{
		{"1.2.3.4", true}, {"255.0.0.255", true}, {"300.1.1.1", false}, {"1.2.3", false}, {"1.2.3.4.", false},
		{"1.2.3.4x", false}, {"", false}, {"1..2.3", false}, {"0001.2.3.4", true}, {"0256.1.1.1", false}, {"99999999999999999999.1.1.1", false},
	}
	for _, tt := range tests {
		if _, ok := ParseIPv4(tt.in); ok != tt.ok {
			t.Errorf("ParseIPv4(%q) ok = %v", tt.in, ok)
		}
		if _, ok := ParseLiteral("[" + tt.in + "]"); ok != tt.ok {
			t.Errorf("ParseLiteral([%s]) ok = %v", tt.in, ok)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add(`a"b\c@host`)
	f.Fuzz(func(t *testing.T, s string) {
		q := Quote(s)
		i := LastIndex(s, '@')
		if i < 0 || q == s {
			return
		}
		// Taking the quotes off again gives the local part back.
		body, tail := q[1:len(q)-len(s[i:])-1], q[len(q)-len(s[i:]):]
		var back []byte
		for k := 0; k < len(body); k++ {
			if body[k] == '\\' {
				k++
			} else if body[k] == '"' {
				t.Fatalf("Quote(%q) = %q has a bare quote", s, q)
			}
			back = append(back, body[k])
		}
		if string(back) != s[:i] || tail != s[i:] {
			t.Errorf("Quote(%q) = %q reads back as %q", s, q, back)
		}
	})
}
