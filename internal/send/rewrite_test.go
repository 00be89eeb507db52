package send

import (
	"strings"
	"testing"

	"goqmail/internal/control"
	"goqmail/internal/queue"
)

func newRoutes(locals, percenthack, virtual string) *routes {
	list := func(s string) []string { return control.ParseList([]byte(s)) }
	return &routes{
		envnoathost: "mx.example.test",
		locals:      control.NewMap(list(locals)),
		percenthack: control.NewMap(list(percenthack)),
		virtual:     control.NewColonMap(list(virtual)),
	}
}

// testRoutes holds what the observations of spec/send.md section 4 were made
// with.
func testRoutes() *routes {
	return newRoutes("mx.example.test\nlocal.test\n", "hack.test\nmx.example.test\n",
		"virt.test:f6joe-v\nu@one.test:f6joe-one\n.wild.test:f6joe-wild\nexempt.test:\n"+
			"dup.test:first\ndup.test:second\nCASE.test:f6joe-c\ncolon.test:a:b\nlocal.test:never\nnocolon.test\n")
}

func TestRewrite(t *testing.T) {
	const l, r = queue.ChanLocal, queue.ChanRemote
	tests := []struct {
		in   string
		ch   queue.Channel
		want string
	}{
		{"noat", l, "noat@mx.example.test"},
		{"", l, "@mx.example.test"},
		{"f6joe@mx.example.test", l, "f6joe@mx.example.test"},
		{"f6joe@MX.Example.TEST", l, "f6joe@MX.Example.TEST"},
		{"x@virt.test", l, "f6joe-v-x@virt.test"},
		{"u@one.test", l, "f6joe-one-u@one.test"},
		{"U@ONE.test", l, "f6joe-one-U@ONE.test"},
		{"w@one.test", r, "w@one.test"},
		{"y@sub.wild.test", l, "f6joe-wild-y@sub.wild.test"},
		{"y@a.b.wild.test", l, "f6joe-wild-y@a.b.wild.test"},
		{"y@wild.test", r, "y@wild.test"},
		{"q@exempt.test", r, "q@exempt.test"},
		{"d@dup.test", l, "second-d@dup.test"},
		{"a@case.TEST", l, "f6joe-c-a@case.TEST"},
		{"c@colon.test", l, "a:b-c@colon.test"},
		{"v@local.test", l, "v@local.test"}, // locals beats virtualdomains
		{"n@nocolon.test", r, "n@nocolon.test"},
		{"x@mx.example.test.", r, "x@mx.example.test."},
		{"x@[127.0.0.1]", r, "x@[127.0.0.1]"},
		{`"a@virt.test"@far.test`, r, `"a@virt.test"@far.test`},
		{"@", r, "@"},
		{"x@", r, "x@"},
		{"a%b%hack.test@hack.test", r, "a@b"},
		{"u%x.test%hack.test@mx.example.test", r, "u@x.test"},
		{"nopercent@hack.test", r, "nopercent@hack.test"},
		{"u%virt.test@hack.test", l, "f6joe-v-u@virt.test"},
		{"u%mx.example.test@hack.test", l, "u@mx.example.test"},
		{"u%virt.test", l, "f6joe-v-u@virt.test"}, // by way of envnoathost, in percenthack here
		{"a%b@c@hack.test", r, "a@b@c"},
		{"%@hack.test", r, "@"},
	}
	rt := testRoutes()
	for _, tt := range tests {
		if ch, got := rt.rewrite(tt.in); ch != tt.ch || got != tt.want {
			t.Errorf("rewrite(%q) = %v %q, want %v %q", tt.in, ch, got, tt.ch, tt.want)
		}
	}
}

func TestRewriteCatchAll(t *testing.T) {
	rt := newRoutes("mx.example.test", "", ":f6joe-catch\nexempt.test:\n")
	for in, want := range map[string]string{
		"z@elsewhere.test":  "local f6joe-catch-z@elsewhere.test",
		"q@exempt.test":     "remote q@exempt.test",
		"z@":                "local f6joe-catch-z@",
		"a@mx.example.test": "local a@mx.example.test",
	} {
		ch, got := rt.rewrite(in)
		if got = ch.String() + " " + got; got != want {
			t.Errorf("rewrite(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestOriginal(t *testing.T) {
	tests := []struct{ in, want string }{
		{"f6joe-v-x@virt.test", "x@virt.test"},
		{"f6joe-v-f6joe-v-x@virt.test", "f6joe-v-x@virt.test"}, // was sent to f6joe-v-x
		{"F6JOE-v-x@virt.test", "F6JOE-v-x@virt.test"},
		{"f6joe-v@virt.test", "f6joe-v@virt.test"},
		{"x@virt.test", "x@virt.test"},
		{"f6joe-wild-y@a.wild.test", "y@a.wild.test"},
		{"f6joe-one-u@one.test", "u@one.test"},
		{"f6joe-one-U@One.Test", "U@One.Test"},
		{"f6joe-one-w@one.test", "f6joe-one-w@one.test"},
		{"q@exempt.test", "q@exempt.test"},
		{"-q@exempt.test", "-q@exempt.test"},
		{"noat", "noat"},
		{"", ""},
	}
	rt := testRoutes()
	for _, tt := range tests {
		if got := rt.original(tt.in); got != tt.want {
			t.Errorf("original(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzRewrite: what is stored has an @ and ends as the recipient did, and a
// bounce shows a recipient of a virtual domain as it came.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"", "noat", "x@virt.test", "u@one.test", "y@a.wild.test", "a%b%hack.test@hack.test", "@@%%@hack.test", "\xff@\x00"} {
		f.Add(s)
	}
	rt := testRoutes()
	f.Fuzz(func(t *testing.T, in string) {
		ch, out := rt.rewrite(in)
		if strings.IndexByte(out, '@') < 0 {
			t.Errorf("rewrite(%q) = %q has no @", in, out)
		}
		if len(in)+len("@mx.example.test")+len("f6joe-wild-") < len(out) {
			t.Errorf("rewrite(%q) = %q is too long", in, out)
		}
		orig := rt.original(out)
		if !strings.HasSuffix(out, orig) || ch == queue.ChanRemote && len(orig) != len(out) {
			t.Errorf("original(%q) = %q for %v", out, orig, ch)
		}
	})
}
