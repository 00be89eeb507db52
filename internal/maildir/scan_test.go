package maildir

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// put makes a file in the Maildir with both times set.
func put(t *testing.T, dir, name, content string, unix int64) {
	t.Helper()
	path := dir + "/Maildir/" + name
	at := time.Unix(unix, 0)
	err := os.WriteFile(path, []byte(content), 0o600)
	if err == nil {
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestScan(t *testing.T) {
	const now = 1795201397
	home, base := home(t)
	dir, err := base.OpenSearchDir("Maildir")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if list, failed, err := Scan(dir, now); len(list) != 0 || failed != "" || err != nil {
		t.Errorf("Scan of an empty Maildir = %v, %q, %v", list, failed, err)
	}
	put(t, home, "new/b", "bb", now-10)
	put(t, home, "cur/a:2,S", "a", now-10)
	put(t, home, "new/c", "", now-10)
	put(t, home, "cur/c", "x", now-10)
	put(t, home, "cur/first", "x", 0)
	put(t, home, "new/last", "x", now-1)
	put(t, home, "new/present", "x", now)
	put(t, home, "new/future", "x", now+1000)
	put(t, home, "new/.hidden", "x", 5)
	put(t, home, "tmp/t", "x", 5)
	if err := os.Symlink("absent", home+"/Maildir/new/dangling"); err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{"cur/first", 0, 1}, {"cur/a:2,S", now - 10, 1}, {"new/b", now - 10, 2},
		{"new/c", now - 10, 0}, {"cur/c", now - 10, 1}, {"new/last", now - 1, 1},
	}
	if list, failed, err := Scan(dir, now); !reflect.DeepEqual(list, want) || failed != "" || err != nil {
		t.Errorf("Scan = %v, %q, %v, want %v", list, failed, err, want)
	}
	for _, sub := range []string{Cur, New} {
		if err := os.RemoveAll(home + "/Maildir/" + sub); err != nil {
			t.Fatal(err)
		}
		if list, failed, err := Scan(dir, now); list != nil || failed != sub || !sys.IsNotExist(err) {
			t.Errorf("Scan without %s = %v, %q, %v", sub, list, failed, err)
		}
	}
}

func TestClean(t *testing.T) {
	const now = 1795201397
	home, base := home(t)
	dir, err := base.OpenSearchDir("Maildir")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	put(t, home, "tmp/old", "x", now-TmpAge-1)
	put(t, home, "tmp/young", "x", now-TmpAge)
	put(t, home, "tmp/.hidden", "x", 0)
	put(t, home, "new/old", "x", 0)
	testkit.Occupied(t, home+"/Maildir/tmp/stays")
	if err := os.Chtimes(home+"/Maildir/tmp/stays", time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	Clean(dir, now)
	if got, want := files(t, home), "tmp/.hidden tmp/stays tmp/young new/old"; got != want {
		t.Errorf("after Clean: %s, want %s", got, want)
	}
	if err := os.RemoveAll(home + "/Maildir/tmp"); err != nil {
		t.Fatal(err)
	}
	Clean(dir, now) // nothing to do, nothing to say
}

// TestArena: names stay what they were, however many come after them, and take
// little more memory than their bytes.
func TestArena(t *testing.T) {
	var a arena
	var list []string
	names := []string{"", "x", strings.Repeat("n", arenaSize-4), strings.Repeat("long", arenaSize), "1795201397.M1P2.mx.example.org:2,S"}
	for i := range 200 {
		list = append(list, a.join("new", names[i%len(names)]))
	}
	for i, got := range list {
		if want := "new/" + names[i%len(names)]; got != want {
			t.Fatalf("name %d is %.40q, want %.40q", i, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		for range 1000 {
			a.join("new", names[4])
		}
	}); n > 3 {
		t.Errorf("%v pieces of memory for 1000 names", n)
	}
}
