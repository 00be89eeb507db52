package pipe

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// decodeCommands decodes commands byte by byte; an error is a command whose
// recipient is the error's text.
func decodeCommands(b []byte) (out []DeliveryCommand) {
	var d CommandDecoder
	for _, c := range b {
		if cmd, done, err := d.Push(c); done {
			if err != nil {
				cmd.Recipient = err.Error()
			}
			out = append(out, cmd)
		}
	}
	return out
}

var commandTests = []struct {
	name, in string
	want     []DeliveryCommand
}{
	{"one", "\x0016/10027694\x00s@a\x00r@b\x00", []DeliveryCommand{{0, "16/10027694", "s@a", "r@b"}}},
	{"two and a half", "\x011/2\x00\x00@\x00\xff\x00\x00\x00\x02x", []DeliveryCommand{{1, "1/2", "", "@"}, {255, "", "", ""}}},
	{"nothing", "", nil},
	{"number only", "\x00", nil},
	{"bytes", "\x07\xff\n\x00 \x00\x80@\x00", []DeliveryCommand{{7, "\xff\n", " ", "\x80@"}}},
}

func TestCommandDecoder(t *testing.T) {
	for _, tt := range commandTests {
		if got := decodeCommands([]byte(tt.in)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q gives %+v, want %+v", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestCommandTooLong(t *testing.T) {
	long := strings.Repeat("x", CommandMax+1)
	for i := range 3 {
		f := []string{"1/2", "s", "r@h"}
		f[i] = long
		in := "\x05" + strings.Join(f, "\x00") + "\x00" + "\x061/2\x00s\x00r@h\x00"
		want := []DeliveryCommand{{Delnum: 5, Recipient: ErrTooLong.Error()}, {6, "1/2", "s", "r@h"}}
		if got := decodeCommands([]byte(in)); !reflect.DeepEqual(got, want) {
			t.Errorf("string %d too long: %.200v", i, got)
		}
	}
	fits := DeliveryCommand{1, "1/2", long[1:], "r@h"}
	if got := decodeCommands(fits.Append(nil)); len(got) != 1 || got[0] != fits {
		t.Errorf("a string of %d bytes: %.200v", CommandMax, got)
	}
}

// FuzzCommandDecoder: what is decoded and encoded again is the input up to its
// last complete command; the two decoders agree.
func FuzzCommandDecoder(f *testing.F) {
	for _, tt := range commandTests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out []byte
		rest := in
		for _, c := range decodeCommands(in) {
			out = c.Append(out)
			var other DeliveryCommand
			var ok bool
			if other, rest, ok = NextDeliveryCommand(rest); !ok || other != c {
				t.Fatalf("decoders differ: %+v and %+v, %v", c, other, ok)
			}
		}
		if !bytes.HasPrefix(in, out) || len(rest) != len(in)-len(out) {
			t.Errorf("%q decodes and encodes to %q, %d bytes left", in, out, len(rest))
		}
		if _, _, ok := NextDeliveryCommand(rest); ok {
			t.Errorf("a command was not decoded in %q", rest)
		}
	})
}

var remoteTests = []struct{ in, want string }{
	{"r\x00Kok msg\n\x00", "Kok msg\n"},
	{"r\x00Zlater\n\x00", "Zlater\n"},
	{"r\x00Dno\n\x00", "Dno\n"},
	{"hperm\n\x00Kok\n\x00", "Dperm\n"},
	{"hperm\n\x00Zlater\n\x00", "Dperm\n"},
	{"hperm\n\x00DGiving up\n\x00", "Dperm\nGiving up\n"},
	{"stemp\n\x00Kok\n\x00", "Ztemp\n"},
	{"stemp\n\x00Zlater\n\x00", "Ztemp\nlater\n"},
	{"stemp\n\x00DGiving up\n\x00", "Ztemp\nGiving up\n"},
	{"Kok\x00", "Kok"},
	{"Zlater\x00", "Zlater"},
	{"Dno\x00", "Dno"},
	{"hperm\x00", "Dperm"},
	{"stemp\x00", "Ztemp"},
	{"r\x00", "D"},
	{"junk\x00more\x00", "Dunk"},
	{"rRTEXT\n\x00KKTEXT\n\x00", "KRTEXT\nKTEXT\n"},
	{"r\x00r\x00Kok\x00", "K"},
	{"h1\x00s2\x00Kok\x00", "D1"},
	{"r\x00Kone\x00Ztwo\x00", "Kone"},
	// strings without their NUL: C prints what its memory holds behind them
	{"Kno nul at the end", "Dno nul at the end"},
	{"r", "D"},
	{"r\x00Khalf", "Dhalf"},
	{"r\x00Zwhole\x00Khalf", "Zwhole"},
	{"sT\x00Khalf", "ZThalf"},
	{"\x00Kok\x00", "Kok"},
	{"\x00\x00\x00", "D"},
	{"", "D"},
}

func TestRemoteOutput(t *testing.T) {
	for _, tt := range remoteTests {
		for size := 1; size <= len(tt.in)+1; size++ {
			var o RemoteOutput
			for in := []byte(tt.in); len(in) > 0; in = in[min(size, len(in)):] {
				_, _ = o.Write(in[:min(size, len(in))])
			}
			letter, text := o.Report()
			if got := string(letter) + text; got != tt.want || o.Empty() != (tt.in == "") {
				t.Errorf("output %q in pieces of %d: report %q, want %q", tt.in, size, got, tt.want)
			}
		}
	}
}

func TestRemoteOutputEndless(t *testing.T) {
	var o RemoteOutput
	piece := []byte(strings.Repeat("x", 1<<16))
	for _, s := range []string{"s", "Z", "q"} {
		_, _ = o.Write([]byte(s))
		for range 100 {
			_, _ = o.Write(piece)
		}
		_, _ = o.Write([]byte{0})
	}
	letter, text := o.Report()
	if letter != Deferral || len(text) != 2*ReportMax {
		t.Errorf("endless output: %c and %d bytes", letter, len(text))
	}
}

// FuzzRemoteOutput: whatever is written, the report has a letter that qmail-send
// knows and no NUL, and a well-formed pair of reports keeps the worse result.
func FuzzRemoteOutput(f *testing.F) {
	for _, tt := range remoteTests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var o RemoteOutput
		_, _ = o.Write(in)
		letter, text := o.Report()
		if !isResult(letter) || strings.IndexByte(text, 0) >= 0 {
			t.Errorf("output %q: report %c%q", in, letter, text)
		}
		if letter == Success && !bytes.Contains(in, []byte{Success}) {
			t.Errorf("output %q: success out of nothing", in)
		}
		for _, r := range []byte{RecipientAccepted, RecipientRefused, RecipientDeferred} {
			for _, m := range []byte{Success, Deferral, Failure} {
				var o RemoteOutput
				b := RemoteReport{r, string(in)}.Append(nil)
				_, _ = o.Write(RemoteReport{m, "m"}.Append(b))
				want := m
				switch r {
				case RecipientRefused:
					want = Failure
				case RecipientDeferred:
					want = Deferral
				}
				if got, _ := o.Report(); got != want {
					t.Errorf("reports %c and %c give %c, want %c", r, m, got, want)
				}
			}
		}
	})
}
