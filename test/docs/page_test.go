package docs

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	text := "# T\n\nDo:\n\n```sh user=ann until machine=new\nls\ncd\n```\n```output\nx\n```\n\n" +
		"Write `/etc/x`,\nor `/etc/y`:\n\n```file\nz\n```\n<!-- check\ntrue\n-->\n```picture\nqmail-send\n```\n```sh fails\nfalse\n```\n<!-- a remark -->\n"
	p, err := parse("X.md", text)
	if err != nil {
		t.Fatal(err)
	}
	want := []block{
		{line: 6, kind: shell, text: "ls\ncd\n", user: "ann", machine: "new", until: true},
		{line: 10, kind: output, text: "x\n", user: "root", machine: "new"},
		{line: 17, kind: file, text: "z\n", user: "root", machine: "new", path: "/etc/y"},
		{line: 20, kind: check, text: "true\n", user: "root", machine: "new"},
		{line: 23, kind: picture, text: "qmail-send\n", user: "root", machine: "new"},
		{line: 26, kind: shell, text: "false\n", user: "root", fails: true},
	}
	if len(p.blocks) != len(want) {
		t.Fatalf("parse = %+v", p.blocks)
	}
	for i, b := range p.blocks {
		if b != want[i] {
			t.Errorf("block %d = %+v, want %+v", i, b, want[i])
		}
	}
	if m := p.machines(); len(m) != 2 || m[0] != "new" || m[1] != "" {
		t.Errorf("machines = %q", m)
	}
	if !p.proves() {
		t.Error("a page with an output block proves nothing")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no kind", "```\nx\n```\n", "does not say"},
		{"other kind", "```bash\nx\n```\n", "not known"},
		{"indented", "Do:\n\n    rm x\n", "fenced"},
		{"tab", "\trm x\n", "fenced"},
		{"not closed", "```sh\nx\n", "not closed"},
		{"output of nothing", "```output\nx\n```\n", "of what"},
		{"output of a file", "`/x`:\n```file\n```\n```output\nx\n```\n", "of what"},
		{"no path", "Write:\n\n```file\nx\n```\n", "names its path"},
		{"no colon", "Write `/etc/x`.\n\n```file\nx\n```\n", "names its path"},
		{"word", "```sh perhaps\nx\n```\n", "says nothing"},
		{"user", "```sh user=../x\nx\n```\n", "says nothing"},
		{"word of another", "```output until\nx\n```\n", "of what"},
		{"word of a file", "`/x`:\n\n```file fails\nx\n```\n", "says nothing"},
	} {
		if _, err := parse("X.md", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		shown, text string
		want        bool
	}{
		{"a\n", "a\n", true},
		{"a\n", "a", true},
		{"a\nb\n", "a\r\nb\r\n", true},
		{"a\n", "a\nb\n", false},
		{"a...c\n", "abbc\n", true},
		{"a...c\n", "a\nc\n", false},
		{"...\nb\n", "b\n", true},
		{"...\nb\n", "x\ny\nb\n", true},
		{"a\n...\n", "a\nx\n", true},
		{"a\n...\nc\n", "a\nc\nd\n", false},
		{"a.c\n", "abc\n", false},
		{"", "", true},
		{"", "x\n", false},
	} {
		if got := matches(tt.shown, tt.text); got != tt.want {
			t.Errorf("matches(%q, %q) = %v", tt.shown, tt.text, got)
		}
	}
}
