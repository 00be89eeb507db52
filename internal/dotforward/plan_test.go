package dotforward

import (
	"slices"
	"strings"
	"testing"

	"goqmail/internal/token822"
)

// parsed makes tokens of what is known to be some.
func parsed(s string) token822.List {
	l, err := token822.Parse(s)
	if err != nil {
		panic(err)
	}
	return l
}

// joe is the user of these tests; controls say mx.example.test, example.test
// and plus.test.
func joe() *reader {
	return &reader{"joe", "mx.example.test",
		token822.Defaults{Host: parsed("mx.example.test"), Domain: parsed("example.test"), Plus: parsed("plus.test")}}
}

// planTests: a step is shown as -n does, without "forward"; "direct" comes last.
var planTests = []struct{ in, want string }{
	// What Debian's dot-forward 0.71 does with these was recorded.
	{"bob", "bob@mx.example.test"},
	{"bob\n", "bob@mx.example.test"},
	{"joe\n", "direct"},
	{"Joe\n", "direct"},
	{`\joe` + "\n", "direct"},
	{`"\joe"`, "direct"},
	{`"joe"`, "direct"},
	{"Joe <joe>", "direct"},
	{"joe (me) ", "direct"},
	{"joe, joe", "direct"},
	{`\\joe`, `\joe@mx.example.test`},
	{`\joe, bob@x.y`, "bob@x.y|direct"},
	{`\bob`, "bob@mx.example.test"},
	{`\joe@x`, "joe@x.example.test"},
	{"joe@mx.example.test", "direct"},
	{"JOE@MX.example.test", "direct"},
	{`"joe"@mx.example.test`, "direct"},
	{"joe-ext", "joe-ext@mx.example.test"},
	{"joe\nbob\n", "bob@mx.example.test|direct"},
	{"bob, fred, susan\nJoe Shmoe <shmoe@heaven.test.it>\n", "susan@mx.example.test|fred@mx.example.test|bob@mx.example.test|shmoe@heaven.test.it"},
	{"bob, bob", "bob@mx.example.test|bob@mx.example.test"},
	{"a <b> c", "c@mx.example.test|b@mx.example.test"},
	{"a b", "b@mx.example.test|a@mx.example.test"},
	{"a@b c@d", "c@d.example.test|a@b.example.test"},
	{"a,,b", "b@mx.example.test|a@mx.example.test"},
	{"bob,\n fred\n", "bob@mx.example.test|fred@mx.example.test"},
	{"bob\n\tfred", "bob@mx.example.test|fred@mx.example.test"},
	{"bob\n,fred\n", "bob@mx.example.test|fred@mx.example.test"},
	{"bob (the postmaster) @heaven.test", "bob@heaven.test"},
	{`"spaced out"@h.x`, "spaced out@h.x"},
	{`"b\"ob"`, `b"ob@mx.example.test`},
	{`b\ ob`, "b ob@mx.example.test"},
	{"a.b", "a.b@mx.example.test"},
	{"a . b @ c . d", "a.b@c.d"},
	{"a@b+", "a@b.plus.test"},
	{"bob@[1.2.3.4]", "bob@[1.2.3.4]"},
	{"bob)", "bob)@mx.example.test"},
	{"x@y]", "x@y].example.test"},
	{"\xe9@x.y", "\xe9@x.y"},
	{"a\r\nb\r\n", "a@mx.example.test|b@mx.example.test"},
	{"# comment\nbob\n", "bob@mx.example.test"},
	{"#only\n", ""},
	{"", ""},
	{"\n\n", ""},
	{"   \n", ""},
	{" #a\n", "#a@mx.example.test"},
	{"<>", ""},
	{`""`, ""},
	{"(c)", ""},
	{`"|cat > out"`, "pipe through cat > out"},
	{`"|cat > out", bob`, "bob@mx.example.test|pipe through cat > out"},
	{`"|a@b"`, "pipe through a@b"},
	{"|a@b", "|a@b.example.test"},
	{`"|a b"@c.d`, "|a b@c.d"},
	{`<"|x y">`, "pipe through x y"},
	{"<|x>", "pipe through x"},
	{`U <"|a b">`, "pipe through a b"},
	{`(x) "|a b" (y)`, "pipe through a b"},
	{`"|a"."b"`, "pipe through a.b"},
	{"|a/b.c", "pipe through a/b.c"},
	{"|", "pipe through "},
	{"<joe>, |x", "pipe through x|direct"},
	{`"|IFS=' ' && exec /usr/bin/procmail || exit 75 #joe"`, "pipe through IFS=' ' && exec /usr/bin/procmail || exit 75 #joe"},
	{"/a@b", "/a@b.example.test"},
	{"./mbox", "./mbox@mx.example.test"},
	{`":include:/x"`, ":include:/x@mx.example.test"},
	{"/var/mail/joe", "!file delivery /var/mail/joe not supported"},
	{`"/var/mail/joe"`, "!file delivery /var/mail/joe not supported"},
	{"//x", "!file delivery //x not supported"},
	{`bob` + "\n" + `"bob`, `!unable to parse this line: "bob`},
	{"a@b.c (x", "!unable to parse this line: a@b.c (x"},
	{"bob (a\n b)", "!unable to parse this line: bob (a"},
	{"x@[1.2", "!unable to parse this line: x@[1.2"},
	{"bob>", "!unable to parse this line: bob>"},
	{"|cat > out", "!unable to parse this line: |cat > out"},

	// What it does otherwise, docs/DIFFERENCES.md.
	{"joe@mx", "direct"},
	{"joe@", "direct"},
	{"joe@MX.", "direct"},
	{"a@b.c.", "a@b.c"},
	{"<@r1,@r2:joe@x>", "joe@x.example.test"},
	{"x@[]", "x@[]"},
	{`|"cat x"`, "pipe through cat x"},
	{`| "cat x" (c), bob`, "bob@mx.example.test|pipe through cat x"},
	{`bob, |"cat, x"`, "pipe through cat, x|bob@mx.example.test"},
	{`x <|"cat x">`, "pipe through cat x"},
	{"|vacation joe", "!unable to parse this line: |vacation joe"},
	{"|(a) b", "!unable to parse this line: |(a) b"},
	{`bob, |sh -c "x"`, `!unable to parse this line: bob, |sh -c "x"`},
	{`|"a" "b"`, `!unable to parse this line: |"a" "b"`},
	{"(c) |a b", "!unable to parse this line: (c) |a b"},
	{"|a x@y", "!unable to parse this line: |a x@y"},
	{`|"a b"@c.d`, `!unable to parse this line: |"a b"@c.d`},
	{"|a@b c", "c@mx.example.test||a@b.example.test"},
	{"a: b, c;", "!unable to parse this line: a: b, c;"},
	{"alias: bob", "!unable to parse this line: alias: bob"},
	{"a;b", "!unable to parse this line: a;b"},
	{"@x:a@b", "!unable to parse this line: @x:a@b"},
	{"bob, @x", "!unable to parse this line: bob, @x"},
	{":include:/etc/x", "!file delivery :include:/etc/x not supported"},
	{":Include: /etc/x, bob", "!file delivery :Include:/etc/x,bob not supported"},
	{"bob\na\x00b", "!unable to parse this line: a\x00b"},
}

// shown is the result as planTests have it.
func shown(p *plan, err error) string {
	if err != nil {
		return "!" + err.Error()
	}
	var words []string
	for _, s := range p.steps {
		words = append(words, strings.TrimPrefix(s.String(), "forward "))
	}
	if p.direct {
		words = append(words, "direct")
	}
	return strings.Join(words, "|")
}

func TestRead(t *testing.T) {
	for _, tt := range planTests {
		if got := shown(joe().read([]byte(tt.in))); got != tt.want {
			t.Errorf("read(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	nobody := joe() // without $USER and $HOST
	nobody.user, nobody.host = "", ""
	if got, want := shown(nobody.read([]byte("joe, <>"))), "joe@mx.example.test"; got != want {
		t.Errorf("read without a user = %q, want %q", got, want)
	}
}

// Every line stands for itself, and what is to be done can be written into an
// envelope and given to a shell.
func FuzzRead(f *testing.F) {
	for _, tt := range planTests {
		f.Add([]byte(tt.in), []byte("bob\n"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		pa, erra := joe().read(a)
		pb, errb := joe().read(b)
		both, err := joe().read(slices.Concat(a, []byte("\n"), b))
		if (err == nil) != (erra == nil && errb == nil) {
			t.Fatalf("read(%q, %q): %v; by themselves %v, %v", a, b, err, erra, errb)
		}
		if err != nil {
			return
		}
		if want := slices.Concat(pa.steps, pb.steps); !slices.Equal(both.steps, want) || both.direct != (pa.direct || pb.direct) {
			t.Errorf("read(%q, %q) = %v, %v, want %v", a, b, both.steps, both.direct, want)
		}
		for _, s := range both.steps {
			if strings.ContainsAny(s.text, "\x00\n") || !s.program && !strings.Contains(s.text, "@") {
				t.Errorf("read(%q, %q) gives %q", a, b, s)
			}
		}
	})
}
