package sys

import "testing"

func TestEvent(t *testing.T) {
	e, err := NewEvent()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	isSet := func(want bool) {
		t.Helper()
		if got, err := e.FD().Wait(Readable, 0); err != nil || got != want {
			t.Errorf("readable: %v %v, want %v", got, err, want)
		}
	}
	isSet(false)
	e.Clear() // nothing to clear
	e.Set()
	e.Set()
	isSet(true)
	isSet(true)
	e.Clear()
	isSet(false)
}
