package conf

import "testing"

func TestDefaults(t *testing.T) {
	if Home() != "/var/qmail" || Break() != '-' || Patrn() != 2 || Spawn() != 120 || Split() != 23 {
		t.Errorf("defaults = %q %q %o %d %d", Home(), Break(), Patrn(), Spawn(), Split())
	}
	if got := Users(); got != [8]string{"alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails"} {
		t.Errorf("Users() = %q", got)
	}
	if got := Groups(); got != [2]string{"qmail", "nofiles"} {
		t.Errorf("Groups() = %q", got)
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		in        string
		base      int
		def, want uint64
	}{
		{"002", 8, 7, 2}, {"", 10, 5, 5}, {"x", 10, 5, 5}, {"300", 10, 120, 120}, {"255", 10, 120, 255},
	}
	for _, tt := range tests {
		if got := number(tt.in, tt.base, tt.def, 255); got != tt.want {
			t.Errorf("number(%q, %d) = %d, want %d", tt.in, tt.base, got, tt.want)
		}
	}
}
