package pipe

import (
	"bytes"
	"testing"
)

var logins = []struct{ name, in, user, password, stamp string }{
	{"POP3", "joe\x00secret\x00<1.2@h>\x00", "joe", "secret", "<1.2@h>"},
	{"AUTH", "joe\x00secret\x00\x00", "joe", "secret", ""},
	{"AUTH without stamp", "joe\x00secret\x00", "joe", "secret", ""},
	{"stamp without NUL", "joe\x00secret\x00<1.2@h>", "joe", "secret", "<1.2@h>"},
	{"more", "joe\x00secret\x00t\x00more\x00", "joe", "secret", "t"},
	{"empty fields", "\x00\x00\x00", "", "", ""},
	{"bytes", "j\xffe\x00 \n:\x00\x80\x00", "j\xffe", " \n:", "\x80"},
}

func TestLogin(t *testing.T) {
	for _, tt := range logins {
		l, err := ParseLogin([]byte(tt.in))
		if string(l.Name) != tt.user || string(l.Password) != tt.password || string(l.Stamp) != tt.stamp || err != nil {
			t.Errorf("%s: ParseLogin(%q) = %q, %v", tt.name, tt.in, l, err)
		}
	}
	for _, in := range []string{"", "joe", "joe\x00", "joe\x00secret"} {
		if l, err := ParseLogin([]byte(in)); err != ErrFormat {
			t.Errorf("ParseLogin(%q) = %q, %v, want %v", in, l, err, ErrFormat)
		}
	}
}

// FuzzLogin: what decodes has one spelling, which decodes to the same.
func FuzzLogin(f *testing.F) {
	for _, tt := range logins {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLogin(b)
		if err != nil {
			if bytes.Count(b, []byte{0}) > 1 {
				t.Errorf("ParseLogin(%q) = %v", b, err)
			}
			return
		}
		once := l.Append(nil)
		again, err := ParseLogin(once)
		if err != nil || !bytes.Equal(again.Append(nil), once) || bytes.Count(once, []byte{0}) != 3 {
			t.Errorf("%q: %q, then %q, %v", b, once, again, err)
		}
		if len(b) >= len(once) && !bytes.HasPrefix(b, once) {
			t.Errorf("%q decodes as %q", b, once)
		}
	})
}
