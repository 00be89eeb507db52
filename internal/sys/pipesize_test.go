package sys

import "testing"

func TestPipeCapacity(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	n := w.PipeCapacity()
	if n < 4096 {
		t.Errorf("PipeCapacity of a pipe = %d, want at least a page", n)
	}
	// As much goes in without a reader; a byte more would block.
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Error(err)
	}
	if ready, err := w.Wait(Writable, 0); ready || err != nil {
		t.Errorf("a full pipe is writable: %v, %v", ready, err)
	}
	null, err := Cwd().Open("/dev/null", ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if n := null.PipeCapacity(); n != 0 {
		t.Errorf("PipeCapacity of /dev/null = %d, want 0", n)
	}
}
