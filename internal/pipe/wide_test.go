package pipe

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// decodeWide decodes commands of the wide protocol.
func decodeWide(b []byte) (out []DeliveryCommand) {
	d := CommandDecoder{Wide: true}
	for _, c := range b {
		if cmd, done, err := d.Push(c); done && err == nil {
			out = append(out, cmd)
		}
	}
	return out
}

func TestProbe(t *testing.T) {
	if got, want := string(Probe.Append(nil)), "\xff1/1\x00\x00goqmail@\x00"; got != want {
		t.Errorf("Probe is %q, want %q", got, want)
	}
	if got, want := string(ProbeReport(20000).Append(nil)), "\xffK20000\x00"; got != want {
		t.Errorf("ProbeReport is %q, want %q", got, want)
	}
	tests := []struct {
		in   Report
		want int // 0: refused
	}{
		{Report{255, 'K', "20000"}, 20000},
		{Report{255, 'K', "1"}, 1},
		{Report{255, 'Z', "Internal error: delnum too big. (#4.3.5)\n"}, 0},
		{Report{255, 'K', "20001"}, 0},
		{Report{255, 'K', "0"}, 0},
		{Report{255, 'K', "-5"}, 0},
		{Report{255, 'K', "+5"}, 0},
		{Report{255, 'K', "0300"}, 0},
		{Report{255, 'K', ""}, 0},
		{Report{255, 'K', "300 "}, 0},
		{Report{255, 'Z', "300"}, 0},
		{Report{255, 'D', "300"}, 0},
		{Report{254, 'K', "300"}, 0},
		{Report{255, 0, ""}, 0},
	}
	for _, tt := range tests {
		got, ok := ParseProbeReport(tt.in)
		if got != tt.want || ok != (tt.want > 0) {
			t.Errorf("ParseProbeReport(%v) = %d, %v, want %d", tt.in, got, ok, tt.want)
		}
	}
}

// TestSwitch: a decoder goes over to the wide protocol between two commands, and
// between two reports.
func TestSwitch(t *testing.T) {
	want := DeliveryCommand{Delnum: 0x01020300, Mess: "1/2", Sender: "s", Recipient: "r@h"}
	b := want.AppendWide(Probe.Append(nil))
	var d CommandDecoder
	var got []DeliveryCommand
	for _, c := range b {
		if cmd, done, err := d.Push(c); done {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, cmd)
			d.Wide = true
		}
	}
	if len(got) != 2 || got[0] != Probe || got[1] != want {
		t.Errorf("%q decodes to %+v", b, got)
	}
	last := Report{Delnum: 0x00000100, Letter: 'Z', Text: strings.Repeat("x", ReportMax-2)}
	b = last.AppendWide(ProbeReport(256).Append(nil))
	var rd ReportDecoder
	var reports []Report
	for _, c := range b {
		if r, ok := rd.Push(c); ok {
			reports = append(reports, r)
			rd.Wide = true
		}
	}
	if len(reports) != 2 || reports[0] != ProbeReport(256) || reports[1] != last {
		t.Errorf("%.100q decodes to %.200v", b, reports)
	}
}

// wideTests are commands and reports of the wide protocol.
var wideTests = []string{
	"\x00\x00\x00\x0016/10027694\x00s@a\x00r@b\x00",
	"\x00\x00\x4e\x1f1/2\x00\x00@\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00",
	"\x00\x00\x01\x00Ktext\x00\x00\x00\x00\x00\x00",
	"\x00\x00\x00", "",
}

// FuzzWide: what decodes, as commands or as reports, encodes to the same bytes up
// to what is incomplete.
func FuzzWide(f *testing.F) {
	for _, s := range wideTests {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out []byte
		for _, c := range decodeWide(in) {
			out = c.AppendWide(out)
		}
		if !bytes.HasPrefix(in, out) {
			t.Errorf("%q decodes and encodes to %q", in, out)
		}
		if len(in) > ReportMax {
			return // reports are cut there
		}
		out = nil
		d := ReportDecoder{Wide: true}
		for _, c := range in {
			r, ok := d.Push(c)
			switch {
			case ok && r.Letter == 0: // no letter: a shorter spelling
				out = append(out, r.AppendWide(nil)[:4]...)
				out = append(out, 0)
			case ok:
				out = r.AppendWide(out)
			}
		}
		if !bytes.HasPrefix(in, out) {
			t.Errorf("reports %q decode and encode to %q", in, out)
		}
	})
}

// FuzzProbeReport: what is accepted is the one spelling of a limit.
func FuzzProbeReport(f *testing.F) {
	f.Add(byte(255), byte('K'), "20000")
	f.Add(byte(255), byte('Z'), "Internal error: delnum too big. (#4.3.5)\n")
	f.Fuzz(func(t *testing.T, delnum, letter byte, text string) {
		r := Report{Delnum: uint32(delnum), Letter: letter, Text: text}
		n, ok := ParseProbeReport(r)
		if ok && (strconv.Itoa(n) != text || r != ProbeReport(n) || n > SpawnMax) {
			t.Errorf("%v is taken for %d", r, n)
		}
	})
}
