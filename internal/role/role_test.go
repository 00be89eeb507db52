package role

import "testing"

func TestNames(t *testing.T) {
	for i, want := range []string{"alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr", "qmails"} {
		if got := Users()[i].Name(); got != want {
			t.Errorf("User(%d).Name() = %q, want %q", i, got, want)
		}
	}
	if Send.Primary() != Qmail || Log.Primary() != Nofiles || Qmail.Name() != "qmail" || Nofiles.Name() != "nofiles" {
		t.Error("groups of the accounts are wrong")
	}
}

func TestFindUser(t *testing.T) {
	passwd := []byte("root:x:0:0:root:/root:/bin/sh\njo:x:1x:1::/:\njo:x:12:13:Jo:/home/jo:/bin/sh\nshort:x:5\nnosh:x:6:7::/n\nbig:x:4294967295:1::/:/\nlast:x:7:8::/h:/s")
	tests := []struct {
		name string
		want PasswdEntry
		ok   bool
	}{
		{"root", PasswdEntry{"root", 0, 0, "/root", "x", "/bin/sh"}, true},
		{"jo", PasswdEntry{"jo", 12, 13, "/home/jo", "x", "/bin/sh"}, true},
		{"short", PasswdEntry{}, false},
		{"nosh", PasswdEntry{"nosh", 6, 7, "/n", "x", ""}, true},
		{"big", PasswdEntry{}, false},
		{"last", PasswdEntry{"last", 7, 8, "/h", "x", "/s"}, true},
		{"roo", PasswdEntry{}, false},
		{"", PasswdEntry{}, false},
	}
	for _, tt := range tests {
		got, ok := FindUser(passwd, tt.name)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("FindUser(%q) = %+v, %v, want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestGroups(t *testing.T) {
	group := []byte("qmail:x:2107:\nnofiles:x:2108:a,b\nextra:x:9:qmailr,b")
	if gid, ok := FindGroup(group, "nofiles"); gid != 2108 || !ok {
		t.Errorf("FindGroup(nofiles) = %d, %v", gid, ok)
	}
	if _, ok := FindGroup(group, "nofile"); ok {
		t.Error("FindGroup(nofile) found something")
	}
	if got := MemberGroups(group, "b"); len(got) != 2 || got[0] != 2108 || got[1] != 9 {
		t.Errorf("MemberGroups(b) = %v", got)
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add([]byte("jo:x:12:13:Jo:/home/jo:/bin/sh\n"), "jo")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if e, ok := FindUser(b, name); ok && e.Name != name {
			t.Errorf("FindUser(%q, %q) found %q", b, name, e.Name)
		}
		FindGroup(b, name)
		MemberGroups(b, name)
	})
}
