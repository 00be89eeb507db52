package mbox

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// adds returns a function for Extend that writes text.
func adds(text string) func(io.Writer) error {
	return func(out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	}
}

func TestExtend(t *testing.T) {
	long := strings.Repeat("0123456789\n", bufSize/10)
	tests := []struct {
		name, old, tmp, add string // "-": absent
		want                string
		mode                os.FileMode
	}{
		{"new", "-", "-", "a\n", "a\n", 0o600},
		{"empty", "", "-", "a\n", "a\n", 0o600},
		{"old kept", "old", "-", "a\n", "olda\n", 0o600},
		{"leftover", "old\n", long, "a\n", "old\na\n", 0o644},
		{"long", long, "-", long, long + long, 0o600},
		{"nothing", "old\n", "-", "", "old\n", 0o600},
	}
	for _, tt := range tests {
		path, dir := here(t)
		for name, content := range map[string]string{"m": tt.old, "t": tt.tmp} {
			if content == "-" {
				continue
			}
			if err := os.WriteFile(path+"/"+name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := Extend(dir, "m", "t", adds(tt.add)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got, _ := os.ReadFile(path + "/m"); string(got) != tt.want {
			t.Errorf("%s: mbox %.60q (%d bytes), want %.60q (%d bytes)", tt.name, got, len(got), tt.want, len(tt.want))
		}
		if st, err := os.Stat(path + "/m"); err != nil || st.Mode().Perm() != tt.mode {
			t.Errorf("%s: mode %v, %v, want %v", tt.name, st.Mode(), err, tt.mode)
		}
		if _, err := os.Stat(path + "/t"); !os.IsNotExist(err) {
			t.Errorf("%s: tmp is left behind: %v", tt.name, err)
		}
	}
}

func TestExtendFailures(t *testing.T) {
	own := errors.New("own")
	write := func(t *testing.T, path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		mbox  string
		tmp   string
		add   func(io.Writer) error
		stage Stage
		is    error
	}{
		{name: "no mbox", mbox: "no/m", stage: Open},
		{name: "mbox a directory", mbox: ".", stage: Open},
		{name: "old content unreadable", mbox: "/proc/self/clear_refs", stage: Read}, // it can be opened and locked
		{name: "no tmp", tmp: "no/t", stage: Create},
		{name: "tmp a directory", spoil: func(t *testing.T, d string) { testkit.Occupied(t, d+"/t") }, stage: Create},
		{name: "tmp the mbox", tmp: "m", stage: Create, is: ErrSame},
		{name: "tmp a link to the mbox", spoil: func(t *testing.T, d string) {
			if err := os.Symlink("m", d+"/t"); err != nil {
				t.Fatal(err)
			}
		}, stage: Create, is: ErrSame},
		{name: "disk full", spoil: func(t *testing.T, d string) { testkit.Full(t, d+"/t") }, stage: Write},
		{name: "too large", spoil: func(t *testing.T, _ string) { testkit.FileSizeLimit(t, 6) }, stage: Write},
		{name: "add fails", add: func(out io.Writer) error { _, _ = io.WriteString(out, "x"); return own }, is: own},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, dir := here(t)
			write(t, path+"/m")
			if tt.spoil != nil {
				tt.spoil(t, path)
			}
			if tt.mbox == "" {
				tt.mbox = "m"
			}
			if tt.tmp == "" {
				tt.tmp = "t"
			}
			if tt.add == nil {
				tt.add = adds("added\n")
			}
			err := Extend(dir, tt.mbox, tt.tmp, tt.add)
			var e *Error
			if errors.As(err, &e) && e.Stage != tt.stage || e == nil && (tt.stage != 0 || err == nil) {
				t.Fatalf("Extend: %v, want stage %d", err, tt.stage)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("Extend: %v, want %v", err, tt.is)
			}
			if got, _ := os.ReadFile(path + "/m"); string(got) != "old\n" {
				t.Errorf("mbox = %q, want the old one", got)
			}
			if st, err := os.Lstat(path + "/t"); err == nil && st.Mode().IsRegular() && st.Size() != 0 {
				t.Errorf("tmp has %d bytes after the failure", st.Size())
			}
		})
	}
}

// What cannot take the place of the mbox stays complete in tmp.
func TestExtendMove(t *testing.T) {
	path, dir := here(t)
	err := Extend(dir, "m", "t", func(out io.Writer) error {
		_ = os.Remove(path + "/m")
		testkit.Occupied(t, path+"/m")
		return adds("added\n")(out)
	})
	var e *Error
	if !errors.As(err, &e) || e.Stage != Move {
		t.Errorf("Extend: %v, want stage %d", err, Move)
	}
	if got, _ := os.ReadFile(path + "/t"); string(got) != "added\n" {
		t.Errorf("tmp = %q", got)
	}
}

// Extend waits for the lock, and adds to the mbox that there is then.
func TestExtendReplaced(t *testing.T) {
	path, dir := here(t)
	other := hold(t, path+"/m")
	if err := os.WriteFile(path+"/new", []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	done := make(chan error)
	go func() {
		close(opened)
		done <- Extend(dir, "m", "t", adds("added\n"))
	}()
	<-opened
	if err := os.Rename(path+"/new", path+"/m"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Extend: %v", err)
	}
	if got, _ := os.ReadFile(path + "/m"); string(got) != "new\nadded\n" {
		t.Errorf("mbox = %q", got)
	}
}

// While Extend works nobody else has the lock, and the mbox is as it was.
func TestExtendLocks(t *testing.T) {
	path, dir := here(t)
	if err := os.WriteFile(path+"/m", []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Extend(dir, "m", "t", func(out io.Writer) error {
		fd, err := sys.Cwd().Open(path+"/m", sys.WriteOnly, 0)
		if err != nil {
			return err
		}
		if err := fd.TryLock(); !sys.IsWouldBlock(err) {
			t.Errorf("TryLock: %v, want it to be held", err)
		}
		if got, _ := os.ReadFile(path + "/m"); string(got) != "old\n" {
			t.Errorf("mbox = %q, want the old one", got)
		}
		return fd.Close()
	})
	if err != nil {
		t.Error(err)
	}
}
