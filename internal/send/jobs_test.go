package send

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"goqmail/internal/queue"
)

// TestSchedule goes through the table of spec/send.md section 6.
func TestSchedule(t *testing.T) {
	want := map[queue.Channel][]int64{
		queue.ChanLocal:  {0, 100, 400, 900, 1600, 2500, 3600, 4900, 6400, 8100, 10000},
		queue.ChanRemote: {0, 400, 1600, 3600, 6400, 10000, 14400, 19600, 25600, 32400, 40000},
	}
	const birth = 1795201811
	for ch, ages := range want {
		for i := range ages[1:] {
			if got := nextAttempt(ch, birth, birth+ages[i]) - birth; got != ages[i+1] {
				t.Errorf("%v: after an attempt at age %d the next is at %d, want %d", ch, ages[i], got, ages[i+1])
			}
		}
	}
	last := map[queue.Channel]int64{queue.ChanLocal: 592900, queue.ChanRemote: 577600}
	for ch, age := range last {
		next := nextAttempt(ch, birth, birth+age)
		if isDying(birth, defaultLifetime, birth+age) || !isDying(birth, defaultLifetime, next) || next-birth != 608400 {
			t.Errorf("%v: attempt at age %d, next at %d", ch, age, next-birth)
		}
	}
	for _, tt := range []struct{ birth, now, want int64 }{
		{1000, 1099, 1000 + 19*19}, // a late attempt goes on from its age
		{1000, 900, 1100},          // born in the future
		{1000, 1000, 1100},
		{1000, 1001, 1000 + 11*11},
	} {
		if got := nextAttempt(queue.ChanLocal, tt.birth, tt.now); got != tt.want {
			t.Errorf("nextAttempt(local, %d, %d) = %d, want %d", tt.birth, tt.now, got, tt.want)
		}
	}
	if isDying(1000, 300, 1300) || !isDying(1000, 300, 1301) || isDying(math.MaxInt64, 300, 1301) {
		t.Error("isDying is wrong at its border")
	}
}

func FuzzSquareRoot(f *testing.F) {
	for _, x := range []int64{0, 1, 2, 3, 4, 8, 9, 99, 100, maxAge - 1, maxAge} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x int64) {
		if x < 0 || x > maxAge {
			return
		}
		if n := squareRoot(x); n*n > x || (n+1)*(n+1) <= x {
			t.Errorf("squareRoot(%d) = %d", x, n)
		}
	})
}

func TestHeap(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var h heap[entry]
	var want []int64
	if _, ok := h.min(); ok {
		t.Error("an empty heap has a smallest element")
	}
	for round := range 2000 {
		if len(h) == 0 || r.Intn(5) > 1 {
			e := entry{int64(r.Intn(500)), queue.ID(round)}
			h.push(e)
			want = append(want, e.time)
			slices.Sort(want)
			continue
		}
		if e, _ := h.min(); e.time != want[0] {
			t.Fatalf("min() = %d, want %d", e.time, want[0])
		}
		if e := h.pop(); e.time != want[0] {
			t.Fatalf("pop() = %d, want %d", e.time, want[0])
		}
		want = want[1:]
	}
	for len(h) > 0 {
		if e := h.pop(); e.time != want[0] {
			t.Fatalf("pop() = %d, want %d", e.time, want[0])
		}
		want = want[1:]
	}
}
