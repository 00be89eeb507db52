package setup

import (
	"os"
	"strings"
	"testing"

	"goqmail/internal/conf"
	"goqmail/internal/hier"
)

func TestReplaceWords(t *testing.T) {
	by := map[string]string{"qmaild": "maild", "nofiles": "qmaild"}
	tests := []struct{ in, want string }{
		{"", ""},
		{"qmaild", "maild"},
		{"chown qmaild:nofiles x\n", "chown maild:qmaild x\n"},
		{"qmail-smtpd qmaildx xqmaild qmaild-", "qmail-smtpd qmaildx xqmaild qmaild-"},
		{"(qmaild)\"nofiles\"", "(maild)\"qmaild\""},
	}
	for _, tt := range tests {
		if got := string(replaceWords([]byte(tt.in), by)); got != tt.want {
			t.Errorf("replaceWords(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestLocalTextOfTheTree holds that with qmail's own conf-* every script and
// page is installed as it stands, and that none names the home in a way that
// localText would not see.
func TestLocalTextOfTheTree(t *testing.T) {
	t.Chdir("../..")
	items, err := files()
	if err != nil {
		t.Fatal(err)
	}
	if conf.Home() != defaultHome {
		t.Fatalf("tests are built with home %s", conf.Home())
	}
	for _, it := range items {
		if literal(it) {
			continue
		}
		want, err := os.ReadFile(it.Source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := localText(it.Source); err != nil || string(got) != string(want) {
			t.Errorf("localText(%s) differs from the file, %v", it.Source, err)
		}
		rest := strings.ReplaceAll(string(want), defaultHome, "")
		if it.Type == hier.Program && strings.Contains(rest, "/qmail/bin") {
			t.Errorf("%s names the home in another way than %s", it.Source, defaultHome)
		}
	}
}
