package accounts

import (
	"os"
	"testing"

	"goqmail/internal/role"
	"goqmail/internal/testkit"
)

// TestIDsFile: the file is believed while it is root's and the files that it was
// made from are as they were.
func TestIDsFile(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		home := t.TempDir()
		if err := os.Mkdir(home+"/users", 0o755); err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		path := home + "/" + role.IDsFile
		used := func() bool { // with a file that says something else than /etc/passwd
			t.Helper()
			b, err := os.ReadFile(path)
			must(err)
			i, ok := role.ParseIDs(b)
			if !ok {
				t.Fatalf("%q is not understood", b)
			}
			i.UIDs[role.Queue], i.GIDs[role.Qmail] = 4711, 4712
			must(os.WriteFile(path, i.Append(nil), 0o644))
			tab := OpenAt(home)
			uid, err := tab.UID(role.Queue)
			must(err)
			gid, err := tab.GID(role.Qmail)
			must(err)
			if (uid == 4711) != (gid == 4712) {
				t.Errorf("uid %d, gid %d", uid, gid)
			}
			return uid == 4711
		}
		must(WriteIDs(home))
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o644 {
			t.Errorf("users/ids: %v, %v", st.Mode(), err)
		}
		before, err := os.Stat(path)
		must(err)
		must(WriteIDs(home))
		if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("a file that says the same is written again: %v", err)
		}
		if !used() {
			t.Error("a good file is not used")
		}
		if uid, err := Open().UID(role.Queue); err != nil || uid != testkit.UIDQueue {
			t.Errorf("Open uses the file: %d, %v", uid, err)
		}
		must(os.Chmod(path, 0o664))
		if used() {
			t.Error("a file that the group may write is used")
		}
		must(os.Chmod(path, 0o644))
		must(os.Chown(path, 1, 0))
		if used() {
			t.Error("another user's file is used")
		}
		must(os.Chown(path, 0, 0))
		if !used() {
			t.Error("a good file is not used again")
		}
		f, err := os.OpenFile(PasswdFile, os.O_APPEND|os.O_WRONLY, 0)
		must(err)
		_, err = f.WriteString("new:x:9:9::/:\n")
		must(err)
		must(f.Close())
		tab := OpenAt(home)
		if uid, err := tab.UID(role.Queue); err != nil || uid != testkit.UIDQueue {
			t.Errorf("an old file is used: %d, %v", uid, err)
		}
		must(WriteIDs(home))
		if !used() {
			t.Error("the new file is not used")
		}
		must(os.Remove(GroupFile))
		if err := WriteIDs(home); err == nil {
			t.Error("written without groups")
		}
	})
}
