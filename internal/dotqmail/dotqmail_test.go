package dotqmail

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var parseTests = []struct {
	name, in string
	want     []Instruction
	err      error
}{
	{"nothing", "", nil, ErrBlankFirst},
	{"blank first", "\n./x\n", nil, ErrBlankFirst},
	{"only blanks first", " \t\n./x\n", nil, ErrBlankFirst},
	{"NUL first", "\x00x@y\n./x\n", nil, ErrBlankFirst},
	{"blank later", "#\n\n \n\x00x\n./x\n", []Instruction{{Mbox, "./x"}}, nil},
	{"comments", "#\n# ./x\n", nil, nil},
	{"mbox", "./Mailbox\n", []Instruction{{Mbox, "./Mailbox"}}, nil},
	{"no newline", "./Mailbox", []Instruction{{Mbox, "./Mailbox"}}, nil},
	{"blanks at the end", "./Mb \t \n", []Instruction{{Mbox, "./Mb"}}, nil},
	{"CR stays", "./Mb\r\n", []Instruction{{Mbox, "./Mb\r"}}, nil},
	{"Maildir", "./Maildir/\n/var/mail/x/ \n", []Instruction{{Maildir, "./Maildir/"}, {Maildir, "/var/mail/x/"}}, nil},
	{"dot alone", ".\n/\n", []Instruction{{Mbox, "."}, {Maildir, "/"}}, nil},
	{"program", "|cat\n| a  b \n|\n", []Instruction{{Program, "cat"}, {Program, " a  b"}, {Program, ""}}, nil},
	{"list", "+list\n+list \n+listx\n+\n+ list\n+list\x00x\n", []Instruction{{List, ""}, {List, ""}, {List, ""}}, nil},
	{"forward", "&a@b\n&\na@b\n a@b\n\"x y\"@z\n", []Instruction{{Forward, "a@b"}, {Forward, ""}, {Forward, "a@b"}, {Forward, " a@b"}, {Forward, `"x y"@z`}}, nil},
	{"NUL", "a@b\x00c\n./x\x00y/\n|a\x00 \n", []Instruction{{Forward, "a@b\x00c"}, {Maildir, "./x\x00y/"}, {Program, "a\x00"}}, nil},
	{"eight bits", "\xe9@\xff\n", []Instruction{{Forward, "\xe9@\xff"}}, nil},
}

func TestParse(t *testing.T) {
	for _, tt := range parseTests {
		got, err := Parse([]byte(tt.in))
		if err != tt.err || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Parse(%q) = %+v, %v; want %+v, %v", tt.name, tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestTarget(t *testing.T) {
	for line, want := range map[string]string{"": "", "./x": "./x", "a@b\x00c": "a@b", "\x00": ""} {
		if got := (Instruction{Forward, line}).Target(); got != want {
			t.Errorf("Target() of %q = %q, want %q", line, got, want)
		}
	}
}

// FuzzParse: what is parsed and written again is one spelling of the same
// instructions.
func FuzzParse(f *testing.F) {
	for _, tt := range parseTests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Parse(in)
		if err != nil {
			return
		}
		out := []byte("#\n") // so that no instruction at all is not a blank first line
		for _, i := range got {
			out = i.Append(out)
		}
		again, err := Parse(out)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("Parse(%q) = %+v; written as %q, Parse gives %+v, %v", in, got, out, again, err)
		}
		if bytes.IndexByte(in, '\n') < 0 && len(got) > 1 {
			t.Errorf("Parse(%q) = %+v: more than one instruction of one line", in, got)
		}
	})
}

func TestCandidates(t *testing.T) {
	tests := []struct{ dash, ext, want string }{
		{"", "", ".qmail .qmaildefault="},
		{"-", "", ".qmail- .qmail-default="},
		{"-", "a-b-c", ".qmail-a-b-c .qmail-a-b-default=c .qmail-a-default=b-c .qmail-default=a-b-c"},
		{"-", "a-", ".qmail-a- .qmail-a-default= .qmail-default=a-"},
		{"-", "ab", ".qmail-ab .qmail-default=ab"},
		{"-", "Up.Case-X.Y", ".qmail-up:case-x:y .qmail-up:case-default=X.Y .qmail-default=Up.Case-X.Y"},
		{"-", "Default", ".qmail-default=Default .qmail-default=Default"},
		{"-", "ab-DEFAULT", ".qmail-ab-default=DEFAULT .qmail-ab-default=DEFAULT .qmail-default=ab-DEFAULT"},
		{"-/", "x", ".qmail-/x .qmail-/default=x"},
		{"-", "../x", ".qmail-::/x .qmail-default=../x"},
		{"", "a-b", ".qmaila-b .qmaila-default=b .qmaildefault=a-b"},
	}
	for _, tt := range tests {
		var got []string
		for c := range Candidates(tt.dash, tt.ext) {
			s := c.Name
			if c.HasDefault {
				s += "=" + c.Default
			}
			got = append(got, s)
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("Candidates(%q, %q) = %s, want %s", tt.dash, tt.ext, g, tt.want)
		}
	}
}

// TestCandidatesLong: names too long for a file are left out, and a hostile
// extension does not take the square of its length in memory.
func TestCandidatesLong(t *testing.T) {
	ext := strings.Repeat("-", 200000)
	n, longest := 0, 0
	for c := range Candidates("-", ext) {
		n, longest = n+1, max(longest, len(c.Name))
	}
	if want := maxPath - len(".qmail-default") + 1; n != want || longest != maxPath {
		t.Errorf("%d candidates, the longest of %d bytes; want %d, %d", n, longest, want, maxPath)
	}
	fits := strings.Repeat("x", maxPath-len(".qmail-"))
	for _, tt := range []struct {
		ext  string
		want int
	}{{fits, 2}, {fits + "x", 1}} {
		if got := len(slices.Collect(Candidates("-", tt.ext))); got != tt.want {
			t.Errorf("%d candidates for %d bytes, want %d", got, len(tt.ext), tt.want)
		}
	}
}

// FuzzCandidates: every name but the first is the prefix, a part of the
// extension and "default", and $DEFAULT is the rest of it.
func FuzzCandidates(f *testing.F) {
	f.Add("-", "a-b-c")
	f.Add("", "Default")
	f.Add("-/", "x.y-")
	f.Fuzz(func(t *testing.T, dash, ext string) {
		all := slices.Collect(Candidates(dash, ext))
		if len(dash)+len(ext) > maxPath-len(prefix)-len(defaultWord) {
			return // some are left out
		}
		if want := ".qmail" + dash + SafeExt(ext); all[0].Name != want {
			t.Fatalf("first candidate %q, want %q", all[0].Name, want)
		}
		if n := strings.Count(ext, "-"); len(all) > n+2 {
			t.Errorf("%d candidates for %d dashes", len(all), n)
		}
		for _, c := range all[1:] {
			stem, ok := strings.CutSuffix(c.Name, "default")
			if !ok || stem+SafeExt(c.Default) != all[0].Name {
				t.Errorf("candidate %q with default %q is not of %q", c.Name, c.Default, all[0].Name)
			}
		}
	})
}

func TestOwner(t *testing.T) {
	if got := OwnerName("-", "List.X"); got != ".qmail-list:x-owner" {
		t.Errorf("OwnerName = %q", got)
	}
	if got := OwnerDefaultName("-", "l"); got != ".qmail-l-owner-default" {
		t.Errorf("OwnerDefaultName = %q", got)
	}
	if got := OwnerSender("joe-l", "h.dom", false); got != "joe-l-owner@h.dom" {
		t.Errorf("OwnerSender = %q", got)
	}
	if got := OwnerSender("joe-l", "h.dom", true); got != "joe-l-owner-@h.dom-@[]" {
		t.Errorf("OwnerSender with VERP = %q", got)
	}
}

func TestPermanentExit(t *testing.T) {
	permanent := map[int]bool{64: true, 65: true, 70: true, 76: true, 77: true, 78: true, 100: true, 112: true}
	for code := range 256 {
		if got := PermanentExit(code); got != permanent[code] {
			t.Errorf("PermanentExit(%d) = %v", code, got)
		}
	}
}
