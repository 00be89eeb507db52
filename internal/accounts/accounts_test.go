package accounts

import (
	"errors"
	"os"
	"testing"

	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

func TestTable(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		tab := Open()
		if uid, err := tab.UID(role.Alias); uid != testkit.UIDAlias || err != nil {
			t.Errorf("UID(alias) = %d, %v, want %d", uid, err, testkit.UIDAlias)
		}
		if gid, err := tab.GID(role.Qmail); gid != testkit.GIDQmail || err != nil {
			t.Errorf("GID(qmail) = %d, %v, want %d", gid, err, testkit.GIDQmail)
		}
		if e, ok := tab.Named("root"); !ok || e.UID != 0 {
			t.Errorf("Named(root) = %+v, %v", e, ok)
		}
	})
}

// A missing account, a missing file and a file that cannot be read are three
// different things.
func TestTrouble(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		uid := func() error {
			_, err := Open().UID(role.Queue)
			return err
		}
		gid := func() error {
			_, err := Open().GID(role.Nofiles)
			return err
		}
		for _, f := range []struct {
			path, want string
			find       func() error
		}{
			{PasswdFile, "unable to find user qmailq", uid},
			{GroupFile, "unable to find group nofiles", gid},
		} {
			if err := os.WriteFile(f.path, []byte("root:x:0:0::/:/bin/sh\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := f.find(); err == nil || err.Error() != f.want {
				t.Errorf("not in %s: %v", f.path, err)
			}
			if err := os.Remove(f.path); err != nil {
				t.Fatal(err)
			}
			if err := f.find(); err == nil || err.Error() != f.want {
				t.Errorf("no %s: %v", f.path, err)
			}
			testkit.Occupied(t, f.path)
			var missing *NotFound
			if err := f.find(); err == nil || errors.As(err, &missing) || sys.IsNotExist(err) {
				t.Errorf("%s unreadable: %v", f.path, err)
			}
		}
	})
}
