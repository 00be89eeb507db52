package trigger

import (
	"os"
	"testing"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// A pull wakes a Reader that is armed, once; arming it again forgets the pull.
func TestPull(t *testing.T) {
	h := testkit.NewHome(t)
	dir, err := sys.OpenDir(h.Queue())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	r := NewReader(dir)
	Pull(dir) // nobody listens
	for _, pull := range []bool{false, true, false, true, true} {
		if err := r.Rearm(); err != nil {
			t.Fatal(err)
		}
		if pull {
			Pull(dir)
			Pull(dir)
		}
		if got, err := r.Wait(0); got != pull || err != nil {
			t.Errorf("Wait() = %v, %v, want %v", got, err, pull)
		}
	}
}

// Without a FIFO there is no wake-up, and above all not one at once and for ever.
func TestNoFIFO(t *testing.T) {
	for _, what := range []string{"missing", "regular file", "directory"} {
		h := testkit.NewHome(t)
		dir, err := sys.OpenDir(h.Queue())
		if err != nil {
			t.Fatal(err)
		}
		path := h.Path("queue/lock/trigger")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		switch what {
		case "regular file":
			h.Write("queue/lock/trigger", "")
		case "directory":
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		r := NewReader(dir)
		if r.Rearm() == nil || r.FD() != -1 {
			t.Errorf("%s: armed", what)
		}
		if got, err := r.Wait(time.Nanosecond); got || err != nil {
			t.Errorf("%s: Wait() = %v, %v", what, got, err)
		}
		Pull(dir)
		_ = dir.Close()
	}
}
