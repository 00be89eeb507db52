package role

import (
	"strings"
	"testing"
)

var testIDs = IDs{
	Passwd: FileVersion{1, 2, 3, 1795000000123456789, -5}, Group: FileVersion{1 << 63, 7, 0, 0, 9},
	UIDs: [8]uint32{7790, 7791, 7792, 0, 7793, 7794, 7795, 4294967294}, GIDs: [2]uint32{2107, 2108},
}

func TestIDs(t *testing.T) {
	text := string(testIDs.Append(nil))
	want := "goqmail ids 1\npasswd 1 2 3 1795000000123456789 -5\ngroup 9223372036854775808 7 0 0 9\nuser alias 7790\nuser qmaild 7791\n" +
		"user qmaill 7792\nuser root 0\nuser qmailp 7793\nuser qmailq 7794\nuser qmailr 7795\nuser qmails 4294967294\ngroup qmail 2107\ngroup nofiles 2108\nend\n"
	if text != want {
		t.Errorf("Append = %q, want %q", text, want)
	}
	if got, ok := ParseIDs([]byte(text)); !ok || got != testIDs {
		t.Errorf("ParseIDs = %+v, %v", got, ok)
	}
	for _, bad := range []string{
		"", text[1:], text[:len(text)-1], text + "\n", strings.Replace(text, "qmailq", "qmailx", 1), strings.Replace(text, " 7794", " 07794", 1),
		strings.Replace(text, "7794", "4294967295", 1), strings.Replace(text, "ids 1", "ids 2", 1), strings.Repeat(" ", IDsMax+1),
	} {
		if _, ok := ParseIDs([]byte(bad)); ok {
			t.Errorf("ParseIDs(%q) is taken", bad)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add(testIDs.Append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		if i, ok := ParseIDs(in); ok && string(i.Append(nil)) != string(in) {
			t.Errorf("ParseIDs(%q) encodes to %q", in, i.Append(nil))
		}
	})
}
