package spawn

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"goqmail/internal/conf"
	"goqmail/internal/pipe"
	"goqmail/internal/testkit"
)

func TestConfiguredLimit(t *testing.T) {
	tests := []struct {
		text string // "-": no file
		want int
	}{
		{"-", conf.Spawn()}, {"", conf.Spawn()}, {"many\n", conf.Spawn()}, {"1\n", 1}, {"0\n", 1},
		{"255\n", 255}, {"256\n", 256}, {"20000\n", 20000}, {"20001\n", 20000}, {"99999999999999999999\n", 20000},
	}
	for _, tt := range tests {
		h := testkit.NewHome(t)
		if tt.text != "-" {
			h.Control("spawnlimit", tt.text)
		}
		if got, err := ConfiguredLimit(h.Dir); got != tt.want || err != nil {
			t.Errorf("spawnlimit %q: %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
	if got, err := ConfiguredLimit(t.TempDir()); got != conf.Spawn() || err != nil {
		t.Errorf("no control directory: %d, %v", got, err)
	}
	h := testkit.NewHome(t)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.Control("me", "h\n")
	testkit.Looping(t, filepath.Join(h.Dir, "control/spawnlimit"))
	if n, err := Limit(h.Dir); err == nil {
		t.Errorf("unreadable: %d", n)
	}
	check(os.Remove(filepath.Join(h.Dir, "control/spawnlimit")))
	check(os.Rename(h.Path("control"), h.Path("control.x")))
	testkit.Looping(t, h.Path("control"))
	if n, err := Limit(h.Dir); err == nil {
		t.Errorf("unreadable directory: %d", n)
	}
}

func TestFit(t *testing.T) {
	tests := []struct {
		n     int
		files uint64
		want  int
	}{
		{120, 10, 120}, {255, 0, 255}, {256, 0, 255}, {256, 256*4 + 64, 256}, {20000, 4096, 1008},
		{20000, 1024, 255}, {20000, 1 << 20, 20000}, {256, 256*4 + 63, 255},
	}
	for _, tt := range tests {
		if got := fit(tt.n, tt.files); got != tt.want {
			t.Errorf("fit(%d, %d) = %d, want %d", tt.n, tt.files, got, tt.want)
		}
	}
}

const tooBigText = "ZInternal error: delnum too big. (#4.3.5)\n"

// probe writes the probe and returns the report on it.
func (b *bed) probe() (int, string) {
	b.t.Helper()
	b.command(pipe.Probe.Delnum, pipe.Probe.Mess, pipe.Probe.Sender, pipe.Probe.Recipient)
	return b.report()
}

// TestProbeRefused: without a use for it, or later than as the first command, the
// probe is a command with too large a number; so is any other with 255.
func TestProbeRefused(t *testing.T) {
	ok := func(*Delivery) Verdict { return Verdict{'K', ""} }
	for _, slots := range []int{1, 120, 255} {
		b := newBed(t, slots, ok)
		if got := b.grant(); got != slots {
			t.Errorf("grant %d, want %d", got, slots)
		}
		if n, got := b.probe(); n != 255 || got != tooBigText {
			t.Errorf("%d slots: report %d %q", slots, n, got)
		}
		b.command(0, b.mess, "", "a@h")
		if n, got := b.report(); n != 0 || got != "K" {
			t.Errorf("after it: report %d %q", n, got)
		}
		b.end()
	}
	b := newBed(t, 300, ok)
	if got := b.grant(); got != 255 {
		t.Errorf("grant %d for 300 slots, want 255", got)
	}
	for range 2 {
		b.command(254, b.mess, "", "a@h")
		if n, got := b.report(); n != 254 || got != "K" {
			t.Errorf("one-byte protocol with 300 slots: report %d %q", n, got)
		}
		if n, got := b.probe(); n != 255 || got != tooBigText {
			t.Errorf("late probe: report %d %q", n, got)
		}
	}
	b.end()
	for _, c := range []pipe.DeliveryCommand{
		{Delnum: 255, Mess: "1/1", Sender: "s", Recipient: "goqmail@"},
		{Delnum: 255, Mess: "1/2", Recipient: "goqmail@"},
		{Delnum: 255, Mess: "1/1", Recipient: "goqmail@h"},
	} {
		b := newBed(t, 300, ok)
		b.grant()
		b.command(c.Delnum, c.Mess, c.Sender, c.Recipient)
		if n, got := b.report(); n != 255 || got != tooBigText {
			t.Errorf("%+v: report %d %q", c, n, got)
		}
		b.end()
	}
}

// TestWide: after the probe, numbers have four bytes both ways, up to the limit
// that was said; all slots are busy at once.
func TestWide(t *testing.T) {
	const slots = 600
	var all sync.WaitGroup
	all.Add(slots)
	b := newBed(t, slots, func(d *Delivery) Verdict {
		if d.Recipient == "all@h" {
			all.Done()
			all.Wait()
		}
		return Verdict{'K', d.Recipient}
	})
	b.grant()
	if n, got := b.probe(); n != 255 || got != "K600" {
		t.Fatalf("probe: report %d %q", n, got)
	}
	b.wide = true
	for n, want := range map[uint32]string{
		0: "Ka@h", 255: "Ka@h", 256: "Ka@h", 599: "Ka@h", 600: tooBigText, 0x01000000: tooBigText, 0xffffffff: tooBigText,
	} {
		b.command(n, b.mess, "", "a@h")
		if got, text := b.report(); uint32(got) != n || text != want {
			t.Errorf("number %d: report %d %q, want %q", n, got, text, want)
		}
	}
	go func() {
		for n := range uint32(slots) {
			b.command(n, b.mess, "", "all@h")
		}
	}()
	seen := map[int]bool{}
	for range slots {
		n, text := b.report()
		if seen[n] || n >= slots || text != "Kall@h" {
			t.Errorf("report %d %q", n, text)
		}
		seen[n] = true
	}
	b.end()
}
