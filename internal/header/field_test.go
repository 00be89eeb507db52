package header

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestFieldOf(t *testing.T) {
	tests := []struct {
		in   string
		want Field
	}{
		{"To: x\n", FieldTo},
		{"tO:x\n", FieldTo},
		{"TO \t : x\n", FieldTo},
		{"Too: x\n", FieldUnknown},
		{"T: x\n", FieldUnknown},
		{"To x\n", FieldUnknown},
		{" To: x\n", FieldUnknown},
		{"Resent-Message-Id: x\n", FieldResentMessageID},
		{"notice-requested-upon-delivery-to: x\n", FieldNoticeRequested},
		{"Mail-Followup-To:", FieldMailFollowupTo},
		{"", FieldUnknown},
		{":", FieldUnknown},
	}
	for _, tt := range tests {
		if got := FieldOf([]byte(tt.in)); got != tt.want {
			t.Errorf("FieldOf(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for f := FieldUnknown + 1; f < fields; f++ {
		if got := FieldOf([]byte(f.String() + ": x")); got != f || f.String() == "" {
			t.Errorf("FieldOf(%q) = %d, want %d", f, got, f)
		}
	}
	if s := fields.String(); s != "" {
		t.Errorf("String() of no field = %q", s)
	}
}

func TestFieldName(t *testing.T) {
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"X(y): a", "X(y)", true},
		{"To : b", "To", true},
		{"a:b:c", "a", true},
		{"Sub ject: x", "", false},
		{" : x", "", false},
		{": x", "", false},
		{"none", "", false},
		{"T\xf6: x", "", false},
		{"d\x0c: e", "", false},
		{"x\x7f: e", "", false},
	}
	for _, tt := range tests {
		if got, ok := FieldName([]byte(tt.in)); ok != tt.ok || ok && got != tt.want {
			t.Errorf("FieldName(%q) = %q, %v, want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
	if got := string(FieldBody([]byte("To : b:c\n"))); got != " b:c\n" {
		t.Errorf("FieldBody = %q", got)
	}
	if got := FieldBody([]byte("nothing")); got != nil {
		t.Errorf("FieldBody without colon = %q", got)
	}
}

// split runs a Splitter over a message; body is nil if the header never ended.
func split(in string) (fields, body []string) {
	var s Splitter
	for line := range strings.Lines(in) {
		if body != nil {
			body = append(body, line)
			continue
		}
		f, inBody := s.Line([]byte(line))
		if f != nil {
			fields = append(fields, string(f))
		}
		if inBody {
			body = []string{line}
		}
	}
	if f := s.End(); f != nil && body == nil {
		fields = append(fields, string(f))
	}
	return fields, body
}

var splitterTests = []struct {
	in     string
	fields []string
	body   string
}{
	{"", nil, ""},
	{"\nb\n", nil, "\nb\n"},
	{"To: x\n\nb\n", []string{"To: x\n"}, "\nb\n"},
	{"To: x\n", []string{"To: x\n"}, ""},
	{"A: 1\n 2\n\t3\nB: 4\n\n c\n", []string{"A: 1\n 2\n\t3\n", "B: 4\n"}, "\n c\n"},
	{"\tlead\nTo: x\n", nil, "\tlead\nTo: x\n"},
	{"A: 1\n \n\n", []string{"A: 1\n \n"}, "\n"},
	{"A: 1\nno field\nB: 2\n", []string{"A: 1\n"}, "no field\nB: 2\n"},
	{"From me now\n more\nA: 1\nFrom you\n\n", []string{"MBOX-Line: From me now\n more\n", "A: 1\n", "MBOX-Line: From you\n"}, "\n"},
	{"From: a\nFromage: b\n", []string{"From: a\n", "Fromage: b\n"}, ""},
	{"A: 1\n\r\nb\n", []string{"A: 1\n"}, "\r\nb\n"},
}

func TestSplitter(t *testing.T) {
	for _, tt := range splitterTests {
		fields, body := split(tt.in)
		if !reflect.DeepEqual(fields, tt.fields) || strings.Join(body, "") != tt.body {
			t.Errorf("Splitter(%q) = %q, %q, want %q, %q", tt.in, fields, body, tt.fields, tt.body)
		}
	}
}

// No byte is lost or moved: fields and body are the message, but for the name
// that separator lines get.
func FuzzSplitter(f *testing.F) {
	for _, tt := range splitterTests {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if !strings.HasSuffix(in, "\n") {
			in += "\n"
		}
		if strings.Contains(in, MboxLine) {
			return
		}
		fields, body := split(in)
		var all bytes.Buffer
		for _, s := range fields {
			if _, ok := FieldName([]byte(s)); !ok {
				t.Fatalf("Splitter(%q): field %q has no name", in, s)
			}
			all.WriteString(strings.TrimPrefix(s, MboxLine))
		}
		for _, s := range body {
			all.WriteString(s)
		}
		if all.String() != in {
			t.Fatalf("Splitter(%q) gave %q and %q", in, fields, body)
		}
	})
}
