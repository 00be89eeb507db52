package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"goqmail/internal/pipe"
)

// Hashes of "openwall" that are quick.
const (
	md5Hash  = "$1$abcdefgh$rhXHNwjuZXTTzv32v1LRD/"
	shaHash  = "$5$rounds=1400$another$6Z7o42CdNOGa/5tmfu2hYrPn2r43p9/VuvAeGAYFk/5"
	openwall = "openwall"
	today    = 20000
)

const passwdFile = `root:x:0:0:root:/root:/bin/bash
# sue:x:9:9::/home/sue:
+nis:x:9:9::/home/nis:
joe:x:1001:1002:Joe:/home/joe:/bin/zsh
bad:x:1x:1:::
vmail:x:5000:5001::/home/vmail:/usr/sbin/nologin
inline:` + md5Hash + `:1003:1003::/home/inline:
noshadow:x:1004:1004::/home/noshadow:
emptypw::1005:1005::/home/emptypw:
lockpw:x:1006:1006::/home/lockpw:
emptysh:x:1007:1007::/home/emptysh:
des:x:1008:1008::/home/des:
costly:x:1009:1009::/home/costly:
nohome:x:1010:1010:::
relhome:x:1011:1011::home:
both:x:1012:1012::/home/both:
expired:x:1013:1013::/home/expired:
toor:x:0:0::/root:
twice:x:1014:1014::/home/first:
twice:x:1015:1015::/home/second:
last:x:1016:1016::/home/last`

const shadowFile = `root:` + md5Hash + `:1:0:99999:7:::
joe:` + md5Hash + `:19000:0:99999:7:::
bad:` + md5Hash + `:::::::
lockpw:!` + md5Hash + `:::::::
emptysh::19000:0:99999:7:::
des:abfA.NcFrhyao:::::::
costly:$6$rounds=999999999$s$x:::::::
nohome:` + md5Hash + `:::::::
relhome:` + md5Hash + `:::::::
both:` + md5Hash + `:::::::
expired:` + md5Hash + `:19000:0:99999:7::19999:
toor:` + md5Hash + `:::::::
twice:` + shaHash + `:::::::
twice:` + md5Hash + `:::::::
onlyshadow:` + md5Hash + `:::::::
last:` + shaHash

const passwordsFile = `# comment: with colons: 1:2:::

box@example.org:` + md5Hash + `:vmail::Box:/home/vmail/box:
named:{CRYPT}` + md5Hash + `:vmail:mail::/home/vmail/named:/bin/false
numbers:{md5-crypt}` + md5Hash + `:6000:6001::/home/vmail/numbers:
sha:{SHA256-CRYPT}` + shaHash + `:6000:6001::/home/vmail/sha:
plain:{PLAIN}s3cret with blanks:vmail::Plain:/home/vmail/plain
emptyplain:{PLAIN}:vmail:::/home/vmail/x:
bare:secret:vmail:::/home/vmail/x:
nopassword::vmail:::/home/vmail/x:
locked:*:vmail:::/home/vmail/x:
scheme:{ARGON2ID}$argon2id$x:vmail:::/home/vmail/x:
brace:{PLAIN:vmail:::/home/vmail/x:
nouser:` + md5Hash + `:nobodyhere:::/home/vmail/x:
nogid:` + md5Hash + `:6000:::/home/vmail/x:
nogroup:` + md5Hash + `:6000:nogroup::/home/vmail/x:
bigid:` + md5Hash + `:4294967295:1::/home/vmail/x:
short:` + md5Hash + `:6000:6001
isroot:` + md5Hash + `:root:::/root:
iszero:` + md5Hash + `:0:1::/root:
norelhome:{PLAIN}x:vmail:::home:
both:{PLAIN}other:vmail:::/home/vmail/both:
`

// stores writes the files.
func stores(t testing.TB) (*Stores, string) {
	t.Helper()
	dir := t.TempDir()
	s := &Stores{
		Passwords: dir + "/passwords", Passwd: dir + "/passwd", Shadow: dir + "/shadow", Group: dir + "/group",
		Owner: uint32(os.Getuid()), Day: today,
	}
	for name, text := range map[string]string{s.Passwords: passwordsFile, s.Passwd: passwdFile, s.Shadow: shadowFile, s.Group: "root:x:0:\nmail:x:8:\n"} {
		write(t, name, text)
	}
	return s, dir
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func login(name, password, stamp string) pipe.Login {
	return pipe.Login{Name: []byte(name), Password: []byte(password), Stamp: []byte(stamp)}
}

// outcome is what Check says, in one line.
func outcome(s *Stores, l pipe.Login) string {
	a, err := s.Check(l)
	var trouble *Trouble
	switch {
	case errors.As(err, &trouble):
		return "trouble: " + trouble.Text
	case err == ErrRefused:
		return "refused"
	case err != nil:
		return "unexpected: " + err.Error()
	}
	return fmt.Sprintf("%s %d %d %s %s", a.Name, a.UID, a.GID, a.Home, a.Shell)
}

func TestCheck(t *testing.T) {
	const refused = "refused"
	const unsupported = "trouble: password hash of an unknown kind, or too costly"
	const malformed = "trouble: malformed line in users/passwords"
	const relative = "trouble: home directory is not an absolute path"
	tests := []struct{ name, password, want string }{
		{"joe", openwall, "joe 1001 1002 /home/joe /bin/zsh"},
		{"joe", "openwal", refused},
		{"joe", "", refused},
		{"Joe", openwall, refused},
		{"jo", openwall, refused},
		{"joe:x", openwall, refused},
		{"joe\n", openwall, refused},
		{"", openwall, refused},
		{"sue", openwall, refused},
		{"# sue", openwall, refused},
		{"+nis", openwall, refused},
		{"bad", openwall, refused},
		{"nobody", openwall, refused},
		{"onlyshadow", openwall, refused},
		{"inline", openwall, "inline 1003 1003 /home/inline /bin/sh"},
		{"noshadow", openwall, refused},
		{"emptypw", "", refused},
		{"emptypw", "x", refused},
		{"emptysh", "", refused},
		{"emptysh", "x", refused},
		{"lockpw", openwall, refused},
		{"lockpw", "!" + md5Hash, refused},
		{"des", openwall, unsupported},
		{"costly", openwall, unsupported},
		{"nohome", openwall, relative},
		{"nohome", "wrong", refused},
		{"relhome", openwall, relative},
		{"expired", openwall, refused},
		{"root", openwall, refused},
		{"toor", openwall, refused},
		{"twice", openwall, "twice 1014 1014 /home/first /bin/sh"},
		{"last", openwall, "last 1016 1016 /home/last /bin/sh"},

		{"box@example.org", openwall, "box@example.org 5000 5001 /home/vmail/box /bin/sh"},
		{"box@example.org", "x", refused},
		{"named", openwall, "named 5000 8 /home/vmail/named /bin/false"},
		{"numbers", openwall, "numbers 6000 6001 /home/vmail/numbers /bin/sh"},
		{"sha", openwall, "sha 6000 6001 /home/vmail/sha /bin/sh"},
		{"plain", "s3cret with blanks", "plain 5000 5001 /home/vmail/plain /bin/sh"},
		{"plain", "s3cret", refused},
		{"plain", "{PLAIN}s3cret with blanks", refused},
		{"plain", "", refused},
		{"emptyplain", "", refused},
		{"bare", "secret", refused},
		{"nopassword", "", refused},
		{"locked", "*", refused},
		{"scheme", "x", unsupported},
		{"brace", "x", refused},
		{"nouser", openwall, malformed},
		{"nogid", openwall, malformed},
		{"nogroup", openwall, malformed},
		{"bigid", openwall, malformed},
		{"short", openwall, malformed},
		{"isroot", openwall, refused},
		{"iszero", openwall, refused},
		{"norelhome", "x", relative},
		{"both", "other", "both 5000 5001 /home/vmail/both /bin/sh"},
		{"both", openwall, refused}, // users/passwords counts
		{"# comment", "x", refused},
	}
	s, _ := stores(t)
	for _, tt := range tests {
		if got := outcome(s, login(tt.name, tt.password, "<1.2@pop.example>")); got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.name, tt.password, got, tt.want)
		}
	}
}

// What a client computes from a stamp is a password only for a secret in plain,
// and only with a stamp. The example is that of RFC 1939, section 7; for
// CRAM-MD5 that of RFC 2195.
func TestDigests(t *testing.T) {
	s, _ := stores(t)
	const ok = "box 5000 5001 /home/vmail/box /bin/sh"
	const apopStamp, apop = "<1896.697170952@dbc.mtview.ca.us>", "c4c9334bac560ecc979e58001b3e22fb"
	const cramStamp, cram = "<1896.697170952@postoffice.reston.mci.net>", "b913a602c7eda7a495b4e6e7334d3890"
	sum := md5.Sum([]byte("tanstaaf"))
	mac := hmac.New(md5.New, []byte("tanstaaf"))
	tests := []struct{ secret, password, stamp, want string }{
		{"{PLAIN}tanstaaf", apop, apopStamp, ok},
		{"{PLAIN}tanstaaf", apop, cramStamp, "refused"},
		{"{PLAIN}tanstaaf", apop, "", "refused"},
		{"{PLAIN}tanstaaf", strings.ToUpper(apop), apopStamp, "refused"},
		{"{PLAIN}tanstaaf", apop[1:], apopStamp, "refused"},
		{"{PLAIN}tanstaaf", "tanstaaf", "", ok},
		{"{PLAIN}tanstaaftanstaaf", cram, cramStamp, ok},
		{"{PLAIN}tanstaaftanstaaf", cram, apopStamp, "refused"},
		{"{PLAIN}tanstaaf", hex.EncodeToString(sum[:]), "", "refused"},
		{"{PLAIN}tanstaaf", hex.EncodeToString(mac.Sum(nil)), "", "refused"},
		{md5Hash, apop, apopStamp, "refused"},
		{"{PLAIN}", "d41d8cd98f00b204e9800998ecf8427e", "x", "refused"},
	}
	for _, tt := range tests {
		write(t, s.Passwords, "box:"+tt.secret+":vmail:::/home/vmail/box:\n")
		if got := outcome(s, login("box", tt.password, tt.stamp)); got != tt.want {
			t.Errorf("%s, %q, %q: %s, want %s", tt.secret, tt.password, tt.stamp, got, tt.want)
		}
	}
}

func TestShadow(t *testing.T) {
	tests := []struct {
		fields string // after the hash
		open   bool
	}{
		{"", true}, {":", true}, {"::::::", true},
		{":19000:0:99999:7:::", true},
		{":19000:0:99999:7::20001:", true},
		{":19000:0:99999:7::20000:", false},
		{":19000:0:99999:7::1:", false},
		{":19000:0:99999:7::-1:", true},
		{":0:0:99999:7:::", false}, // must be changed first
		{":19900:0:100:7:::", true},
		{":19900:0:99:7:::", false},
		{":19900:0:99:7:400::", false},
		{":19900:0:-1:7:::", true},
		{"::0:99:7:::", true},
		{":20001:0:99:7:::", true}, // the clock was put back
		{":x:0:99:7:::", false}, {":1:0:x:7:::", false}, {":1:0::7::x:", false}, {":99999999999999999999:0::7:::", false},
	}
	for _, tt := range tests {
		hash, open := parseShadow([]byte("joe:"+md5Hash+tt.fields), today)
		if hash != md5Hash || open != tt.open {
			t.Errorf("%s: %q, %v, want %v", tt.fields, hash, open, tt.open)
		}
	}
	if hash, open := parseShadow(nil, today); hash != "" || open {
		t.Errorf("no line: %q, %v", hash, open)
	}
}

// Files that cannot be read, or that others can.
func TestFiles(t *testing.T) {
	s, dir := stores(t)
	joe, box := login("joe", openwall, ""), login("box@example.org", openwall, "")
	const joeIs, boxIs = "joe 1001 1002 /home/joe /bin/zsh", "box@example.org 5000 5001 /home/vmail/box /bin/sh"
	const open = "trouble: users/passwords has the wrong owner, or a mode that lets others read it"
	for mode, want := range map[os.FileMode]string{
		0o600: boxIs, 0o400: boxIs, 0o640: boxIs, 0o440: boxIs, 0o644: open, 0o604: open, 0o602: open, 0o620: open, 0o601: open, 0o666: open,
	} {
		if err := os.Chmod(s.Passwords, mode); err != nil {
			t.Fatal(err)
		}
		if got := outcome(s, box); got != want {
			t.Errorf("mode %o: %s, want %s", mode, got, want)
		}
	}
	if err := os.Chmod(s.Passwords, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Owner++
	if got := outcome(s, joe); got != open {
		t.Errorf("another's file: %s", got)
	}
	s.Owner--
	for _, tt := range []struct {
		name          string
		change        func(*Stores)
		box, joe, all string
	}{
		{"no users/passwords", func(s *Stores) { s.Passwords = dir + "/absent" }, "refused", joeIs, "refused"},
		{"a directory for users/passwords", func(s *Stores) { s.Passwords = dir },
			"trouble: users/passwords is not a file", "trouble: users/passwords is not a file", "trouble: users/passwords is not a file"},
		{"users/passwords below a file", func(s *Stores) { s.Passwords = s.Passwd + "/x" },
			"trouble: unable to read users/passwords: not a directory", "trouble: unable to read users/passwords: not a directory", "trouble: unable to read users/passwords: not a directory"},
		{"no passwd", func(s *Stores) { s.Passwd = dir + "/absent" },
			"trouble: unable to read the passwd file: file does not exist", "trouble: unable to read the passwd file: file does not exist", "trouble: unable to read the passwd file: file does not exist"},
		{"no shadow", func(s *Stores) { s.Shadow = dir + "/absent" }, boxIs, "refused", "refused"},
		{"shadow below a file", func(s *Stores) { s.Shadow = s.Passwd + "/x" }, boxIs, "trouble: unable to read the shadow file: not a directory", "refused"},
		{"a directory for shadow", func(s *Stores) { s.Shadow = dir }, boxIs, "trouble: unable to read the shadow file: is a directory", "refused"},
	} {
		as := *s
		tt.change(&as)
		for l, want := range map[*pipe.Login]string{&box: tt.box, &joe: tt.joe, {Name: []byte("nobody"), Password: []byte("x")}: tt.all} {
			if got := outcome(&as, *l); got != want {
				t.Errorf("%s, %s: %s, want %s", tt.name, l.Name, got, want)
			}
		}
	}
	as := *s
	as.Group = dir + "/absent"
	if got, want := outcome(&as, login("named", openwall, "")), "trouble: unable to read the group file: file does not exist"; got != want {
		t.Errorf("no group file: %s, want %s", got, want)
	}
}

// A line that is too long is trouble for its own account only.
func TestLongLines(t *testing.T) {
	s, _ := stores(t)
	long := strings.Repeat("x", maxLine)
	write(t, s.Passwords, "other:"+long+":1:1::/:\n"+long+"\nbox:"+md5Hash+":1:1:"+long+":/:\n"+"sue:"+md5Hash+":1:2::/home/sue:\n")
	for name, want := range map[string]string{
		"box": "trouble: malformed line in users/passwords", "sue": "sue 1 2 /home/sue /bin/sh", "joe": "joe 1001 1002 /home/joe /bin/zsh",
	} {
		if got := outcome(s, login(name, openwall, "")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	s.Passwords += ".absent"
	write(t, s.Passwd, "a:"+long+long+":1:1::/:\njoe:x:1:2:"+long+":/home/joe:\njoe:x:3:4::/home/joe:\n")
	if got, want := outcome(s, login("joe", openwall, "")), "joe 3 4 /home/joe /bin/sh"; got != want {
		t.Errorf("joe: %s, want %s", got, want)
	}
}

// TestSameWork: whatever the outcome, one password is hashed, of a kind that is
// in use.
func TestSameWork(t *testing.T) {
	s, _ := stores(t)
	for _, name := range []string{"nobody", "", "plain", "locked", "lockpw", "scheme", "des", "nouser", "short", "emptysh", "noshadow"} {
		kinds := &survey{}
		if _, err := s.find(name, kinds); err != nil && kinds.total == 0 {
			t.Errorf("%s: nothing was surveyed: %v", name, err)
		}
		if _, ok := kinds.choose([]byte(name)); !ok {
			t.Errorf("%s: no kind of hash was found", name)
		}
	}
	// Each kind is chosen as often as it is in use; one name gets one kind.
	kinds := &survey{}
	for range 3 {
		kinds.add(md5Hash)
	}
	kinds.add(shaHash)
	kinds.add("!")
	kinds.add("$1$")
	count := map[byte]int{}
	const names = 4000
	for i := range names {
		name := []byte(fmt.Sprint("name", i))
		a, ok := kinds.choose(name)
		b, _ := kinds.choose(name)
		if !ok || string(a.key) != string(b.key) {
			t.Fatalf("%s: %q, then %q", name, a.key, b.key)
		}
		count[byte(len(a.key))]++
	}
	if n := count[43]; n < names/6 || n > names/3 {
		t.Errorf("the kind of a fourth was chosen %d times of %d", n, names)
	}
	// More kinds than are told apart.
	for i := range 2 * maxKinds {
		kinds.add(fmt.Sprintf("$5$rounds=%d$s$%s", 1000+i, strings.Repeat("a", 43)))
	}
	if len(kinds.kinds) != maxKinds {
		t.Errorf("%d kinds, want %d", len(kinds.kinds), maxKinds)
	}
}

// TestUnreadable: what a caller who is not root gets.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		return // root can read everything
	}
	s, _ := stores(t)
	for _, name := range []string{s.Shadow, s.Passwords} {
		if err := os.Chmod(name, 0); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(name, 0o600) }()
		want := "trouble: unable to read the shadow file: access denied"
		if name == s.Passwords {
			want = "trouble: unable to read users/passwords: access denied"
		}
		if got := outcome(s, login("joe", openwall, "")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// FuzzCheck: whatever is in a line, nobody becomes root by it, nor gets a home
// that is not absolute, and an account without password lets nobody in.
func FuzzCheck(f *testing.F) {
	for line := range strings.Lines(passwordsFile) {
		if !strings.Contains(line, "{ARGON") {
			f.Add([]byte(line), "box@example.org", openwall, "<1@2>")
		}
	}
	s, _ := stores(f)
	f.Fuzz(func(t *testing.T, text []byte, name, password, stamp string) {
		for line := range strings.Lines(string(text)) {
			if _, rest, _ := strings.Cut(line, ":"); len(rest) > 3 && strings.HasPrefix(rest, "$") && rest[1] != '1' {
				return // too slow to try thousands
			}
			if strings.Contains(line, "}$") {
				return
			}
		}
		if err := os.WriteFile(s.Passwords, text, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := s.Check(login(name, password, stamp))
		if err == nil && (a.Name != name || a.UID == 0 || a.Home[0] != '/' || a.Shell == "" || password == "") {
			t.Errorf("%q: %q, %q gives %+v", text, name, password, a)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	s, _ := stores(b)
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "user%d@example.org:%s:vmail:::/home/vmail/user%d:\n", i, encoded[0].hash, i)
	}
	write(b, s.Passwords, text.String())
	for b.Loop() {
		if _, err := s.find("user50000@example.org", &survey{}); err != nil {
			b.Fatal(err)
		}
	}
}
