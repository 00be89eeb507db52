package pipe

import (
	"bytes"
	"strings"
	"testing"
)

func TestDeliveryCommand(t *testing.T) {
	c := DeliveryCommand{0, "16/10027694", "s@mx.example.test", "f6joe@mx.example.test"}
	b := c.Append(nil)
	if want := "\x0016/10027694\x00s@mx.example.test\x00f6joe@mx.example.test\x00"; string(b) != want {
		t.Errorf("Append = %q, want %q", b, want)
	}
	for i := range b {
		if _, rest, ok := NextDeliveryCommand(b[:i]); ok || len(rest) != i {
			t.Errorf("a command of %d bytes counts as complete", i)
		}
	}
	got, rest, ok := NextDeliveryCommand(append(b, "x"...))
	if !ok || got != c || string(rest) != "x" {
		t.Errorf("NextDeliveryCommand = %+v, %q, %v", got, rest, ok)
	}
}

func decode(b []byte) (out []Report) {
	var d ReportDecoder
	for _, c := range b {
		if r, ok := d.Push(c); ok {
			out = append(out, r)
		}
	}
	return out
}

func TestReport(t *testing.T) {
	long := strings.Repeat("x", ReportMax+5)
	tests := []struct {
		in   string
		want []Report
	}{
		{"\x00Kok\n\x00\x01Z\x00", []Report{{0, 'K', "ok\n"}, {1, 'Z', ""}}},
		{"\x00\x00", []Report{{0, 0, ""}}},
		{"\x07\x00", []Report{{7, 0, ""}}},
		{"\x02D" + long + "y\x00", []Report{{2, 'D', long[:ReportMax-3] + "y"}}},
	}
	for _, tt := range tests {
		got := decode([]byte(tt.in))
		if len(got) != len(tt.want) {
			t.Fatalf("%.20q: %d reports, want %d", tt.in, len(got), len(tt.want))
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%.20q: report %d = %.60v, want %.60v", tt.in, i, got[i], tt.want[i])
			}
		}
	}
}

func TestCleanRequest(t *testing.T) {
	tests := []struct {
		in   string
		want CleanRequest
		ok   bool
	}{
		{"foop/457", CleanRequest{false, 457}, true},
		{"todo/1", CleanRequest{true, 1}, true},
		{"todo/", CleanRequest{}, false},
		{"todox99", CleanRequest{}, false},
		{"foop/12a", CleanRequest{}, false},
		{"foop/-1", CleanRequest{}, false},
		{"bars/12", CleanRequest{}, false},
		{"foop/18446744073709551616", CleanRequest{}, false},
		{"foop/" + strings.Repeat("0", 93) + "1", CleanRequest{false, 1}, true},
		{"foop/" + strings.Repeat("0", 94) + "1", CleanRequest{}, false},
		{"", CleanRequest{}, false},
	}
	for _, tt := range tests {
		got, err := ParseCleanRequest([]byte(tt.in))
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("ParseCleanRequest(%q) = %+v, %v, want %+v, %v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		in   string
		want uint32
		ok   bool
	}{
		{"7797", 7797, true}, {"7797 ", 7797, true}, {"0", 0, true}, {"", 0, false}, {"x1", 0, false},
		{"-1", 0, false}, {"4294967294", 4294967294, true}, {"4294967295", 0, false}, {strings.Repeat("9", 40), 0, false},
	}
	for _, tt := range tests {
		if got, err := ParseNumber(tt.in); (err == nil) != tt.ok || got != tt.want {
			t.Errorf("ParseNumber(%q) = %d, %v", tt.in, got, err)
		}
	}
}

func FuzzDeliveryCommand(f *testing.F) {
	f.Add([]byte("\x0016/1\x00s\x00r@h\x00\x0117/2\x00\x00r@h\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out []byte
		rest := b
		for {
			c, next, ok := NextDeliveryCommand(rest)
			if !ok {
				break
			}
			out, rest = c.Append(out), next
		}
		if out = append(out, rest...); !bytes.Equal(out, b) {
			t.Errorf("commands of %q encode to %q", b, out)
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add([]byte("\x00Kok\n\x00\x01Z\x00"), byte(3), "Ktext")
	f.Fuzz(func(t *testing.T, junk []byte, num byte, text string) {
		var d ReportDecoder
		for _, c := range junk {
			if r, ok := d.Push(c); ok && strings.IndexByte(r.Text, 0) >= 0 {
				t.Errorf("report text %q has a NUL", r.Text)
			}
		}
		if len(text) > ReportMax-2 {
			return
		}
		want := Report{uint32(num), 'K', untilNUL(text)}
		if got := decode(want.Append(nil)); len(got) != 1 || got[0] != want {
			t.Errorf("decode(%+v) = %+v", want, got)
		}
	})
}

func FuzzCleanRequest(f *testing.F) {
	f.Add([]byte("foop/457"))
	f.Add([]byte("todo/0099"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseCleanRequest(b)
		if err != nil {
			return
		}
		again, err := ParseCleanRequest([]byte(r.String()))
		if len(r.String())+1 >= CleanMin && (err != nil || again != r) {
			t.Errorf("%q = %+v, its encoding = %+v, %v", b, r, again, err)
		}
	})
}

func FuzzNughde(f *testing.F) {
	f.Add([]byte("joe\x001\x002\x00/home/joe\x00-\x00ext\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseNughde(b)
		if err != nil {
			return
		}
		if enc := n.Append(nil); !bytes.HasPrefix(b, enc) {
			t.Errorf("%q = %+v encodes to %q", b, n, enc)
		}
	})
}
