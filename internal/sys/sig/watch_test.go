package sig

import (
	"os"
	"syscall"
	"testing"
)

// TestSync: after Sync a signal that was sent before is there. A thread that is
// held up between taking the signal and handing it on cannot be waited for, so
// a few may come later; without Sync nearly all do.
func TestSync(t *testing.T) {
	const rounds = 2000
	src := Watch(HUP, TERM)
	late := 0
	for i := range rounds {
		want := []Signal{HUP, TERM}[i%2]
		if err := syscall.Kill(os.Getpid(), want); err != nil {
			t.Fatal(err)
		}
		src.Sync()
		var got Signal
		select {
		case got = <-src.C:
		default:
			late++
			got = <-src.C
		}
		if got != want {
			t.Fatalf("signal %v, want %v", got, want)
		}
	}
	if late > rounds/20 {
		t.Errorf("%d of %d signals came late", late, rounds)
	}
	src.Sync()
	select {
	case got := <-src.C:
		t.Errorf("signal %v out of nowhere", got)
	default:
	}
}

func BenchmarkSync(b *testing.B) {
	src := Watch(HUP)
	for range b.N {
		src.Sync()
	}
}
