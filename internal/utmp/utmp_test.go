package utmp

import (
	"strings"
	"testing"
)

var long = strings.Repeat("0123456789abcdef", 2)

func TestRecord(t *testing.T) {
	tests := []Record{
		{},
		{UserProcess, "pts/3", "joe"},
		{-1, long, long},
		{8, "\xff\x01.", "a b"},
	}
	var all []byte
	for _, r := range tests {
		all = r.Append(all)
	}
	if len(all) != len(tests)*Size {
		t.Fatalf("%d records have %d bytes, want %d each", len(tests), len(all), Size)
	}
	for i, want := range tests {
		if got := Parse(all[i*Size:]); got != want {
			t.Errorf("record %d = %+v, want %+v", i, got, want)
		}
	}
	if got := Parse(Record{1, long + "x", long + "y"}.Append(nil)); got != (Record{1, long, long}) {
		t.Errorf("texts that are too long: %+v", got)
	}
}

func TestSize(t *testing.T) {
	for arch, want := range map[string]int{"amd64": 384, "386": 384, "arm": 384, "s390x": 384, "arm64": 400, "riscv64": 400} {
		if got := sizeOn(arch); got != want {
			t.Errorf("sizeOn(%s) = %d, want %d", arch, got, want)
		}
	}
}

// What decodes to a record is written as one that decodes to it again.
func FuzzParse(f *testing.F) {
	f.Add(Record{UserProcess, "tty1", "joe"}.Append(nil))
	f.Add([]byte(strings.Repeat("\xff", 400)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < Size {
			return
		}
		r := Parse(b)
		if strings.ContainsRune(r.Line+r.User, 0) {
			t.Errorf("a NUL in %+v", r)
		}
		if again := Parse(r.Append(nil)); again != r {
			t.Errorf("Parse = %+v, written and read again %+v", r, again)
		}
	})
}
