package worker

import "testing"

func TestWeight(t *testing.T) {
	heavy, light := &Weight{Max: 1}, &Weight{Max: 1 << 40}
	over := 0
	for range 3 * weighEvery {
		if heavy.Over() {
			over++
		}
		if light.Over() {
			t.Fatal("this process holds a terabyte")
		}
	}
	if over != 3 {
		t.Errorf("looked %d times in %d jobs, want 3", over, 3*weighEvery)
	}
}
