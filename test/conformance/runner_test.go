package conformance

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every public case can be read, and its own expectation passes the comparison
// while a changed one does not.
func TestCasesDecode(t *testing.T) {
	files, err := caseFiles()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		cases, err := loadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			n++
			if c.ID == "" || c.Cat == "" || len(c.Argv) == 0 || c.Expect == nil || !strings.HasPrefix(c.ID, c.Cat+"-") {
				t.Errorf("%s: case %q lacks something", f, c.ID)
			}
			if v, d, err := c.check(c.Expect, false); v != passed || err != nil {
				t.Errorf("%s: check(expect) = %v, %v, %v, want passed", c.ID, v, d, err)
			}
			wrong := *c.Expect
			wrong.RC = "wrong"
			if v, _, err := c.check(&wrong, false); v != failed || err != nil {
				t.Errorf("%s: check(wrong exit status) = %v, %v, want failed", c.ID, v, err)
			}
		}
	}
	if n != 6322 {
		t.Errorf("%d public cases, want 6322", n)
	}
}

func TestPieces(t *testing.T) {
	tests := []struct{ in, want string }{
		{`"a\u00e9\u0000"`, "a\xe9\x00"},
		{`["a", ["bc", 3], "d"]`, "abcbcbcd"},
		{`[{"now": -5}]`, "995"},
		{`[{"now": 1, "as": "le32"}]`, "\xe9\x03\x00\x00"},
		{`null`, ""},
		{`[]`, ""},
	}
	for _, tt := range tests {
		var p pieces
		if err := json.Unmarshal([]byte(tt.in), &p); err != nil {
			t.Errorf("pieces %s: %v", tt.in, err)
		}
		if got := string(p.bytes(1000)); got != tt.want {
			t.Errorf("pieces %s = %q, want %q", tt.in, got, tt.want)
		}
	}
	var p pieces
	if err := json.Unmarshal([]byte(`"\u0100"`), &p); err == nil {
		t.Error("pieces with U+0100: no error")
	}
}

func TestJoin(t *testing.T) {
	fixtures := map[string]rawCase{}
	for _, line := range []string{
		`{"fixture": "f", "kind": "file", "user": "vt1", "qq": true, "snapq": "raw", "stat": 1, "queue": true, "env": {"A": "1", "B": "2"},
		 "files": {"a": "fixture a", "b": {"d": 1}}, "control": {"me": "weak", "x": "fx"}, "capture": ["a"]}`,
	} {
		if _, _, err := parseLine([]byte(line), fixtures); err != nil {
			t.Fatal(err)
		}
	}
	c, fx, err := parseLine([]byte(`{"id": "x-0", "cat": "x", "fx": "f", "argv": ["p"], "kind": "pipe", "user": null, "env": {"B": null, "C": "\u00ff"},
		"files": {"a": null, "q:control/me": "strong"}, "control": {"x": null, "y": "own"}, "expect": {"rc": 0, "out": "", "err": ""}}`), fixtures)
	if err != nil {
		t.Fatal(err)
	}
	got, err := join(c, fx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != "pipe" || got.User != "" || got.QQ != "qq" || got.SnapQ != "raw" || !got.Stat || !got.Queue || !reflect.DeepEqual(got.Capture, []string{"a"}) {
		t.Errorf("join() = %+v", got)
	}
	var files []string
	for _, f := range got.Files {
		s := f.Path
		if f.Spec == nil {
			s += " absent"
		} else {
			s += " " + string(f.Spec.C.bytes(0))
		}
		files = append(files, s)
	}
	want := []string{"a absent", "b ", "q:control/me strong", "q:control/y own"}
	if !reflect.DeepEqual(files, want) {
		t.Errorf("join() has files %q, want %q", files, want)
	}
	var env []string
	for _, e := range got.Env {
		if e.Value == nil {
			env = append(env, e.Name)
		} else {
			env = append(env, e.Name+"="+*e.Value)
		}
	}
	if want := []string{"A=1", "B=2", "B", "C=\xff"}; !reflect.DeepEqual(env, want) {
		t.Errorf("join() has environment %q, want %q", env, want)
	}
}

func TestNormaliser(t *testing.T) {
	at := time.Date(2026, 11, 20, 19, 3, 56, 0, time.UTC).Unix() // 1795201436
	extra, err := newReplacement(`\b(pid|xok) \d+`, `\1 <P$>`)
	if err != nil {
		t.Fatal(err)
	}
	n := &normaliser{from: at, to: at + 3, extra: []replacement{extra, portReplacement(4711, "<RPORT>")}}
	tests := []struct{ in, want string }{
		{"20 Nov 2026 19:03:56 -0000", "<DATE -0000>"},
		{"20 Nov 2026 19:04:01 +0000", "<DATE +0000>"},
		{"20 Nov 2026 19:04:02 +0000", "20 Nov 2026 19:04:02 +0000"}, // too late
		{"20 Nov 2026 19:03:53 +0000", "20 Nov 2026 19:03:53 +0000"}, // too early
		{"20 Nov 2026 20:33:56 +0130", "<DATE +0130>"},
		{"20 Nov 2026 17:33:56 -0130", "<DATE -0130>"},
		{"20 Nov 0000 19:03:56 -0000", "20 Nov 0000 19:03:56 -0000"},
		{"Fri Nov 20 19:03:56 2026", "<CTIME>"},
		{"Mon Nov 20 19:03:56 2026", "<CTIME>"}, // the weekday is not looked at
		{"Fri Nov  2 19:03:56 2026", "Fri Nov  2 19:03:56 2026"},
		{"<20261120190356.123.qmail@x>", "<<TS>.<PID>.qmail@x>"},
		{"<20261320190356.123.qmail@x>", "<20261320190356.123.qmail@x>"},
		{"Received: (qmail 61 invoked by uid 0); 20 Nov 2026 19:03:56 -0000\n", "Received: (qmail <PID> invoked by uid 0); <DATE -0000>\n"},
		{"Received: (qmail 61 invoked by uid 0); 20 Nov 2025 19:03:56 -0000\n", "Received: (qmail 61 invoked by uid 0); 20 Nov 2025 19:03:56 -0000\n"},
		{"250 ok 1795201436 qp 99", "250 ok <TS> qp <PID>"},
		{"250 ok 1795201400 qp 99", "250 ok 1795201400 qp 99"},
		{"did 0+1+0\nqp 99\nx: qp 3", "did 0+1+0\nqp <PID>\nx: qp <PID>"},
		{"a qp 99\n", "a qp 99\n"},
		{"21:Kok 1795201436 qp 991,", "<LEN>:Kok <TS> qp <PID>,"},
		{"22:Kok 1795201436 qp 99,", "22:Kok <TS> qp <PID>,"}, // the wrong length stays
		{"+OK <99.1795201436@h>", "+OK <<PID>.<TS>@h>"},
		{"1795201436.M1P2_3#Q.vhost.example", "<UNIQ>.vhost.example"},
		{"1795201436.M1P2:3.vhost.example", "1795201436.M1P2:3.vhost.example"},
		{"-1795201436.1-1795201437.2@-179520143.3@", "-<TS>.<PID>-<TS>.<PID>@-179520143.3@"},
		{"-1795201436.1x", "-1795201436.1x"},
		{"timed out 119 seconds ago; timed out -1 seconds ago", "timed out ~60 seconds ago; timed out ~-60 seconds ago"},
		{"timed out 18446744073709551496 seconds ago", "timed out ~18446744073709551480 seconds ago"},
		{"pid 5 stupid 6 xok 7", "pid <P$> stupid 6 xok <P$>"},
		{"4711 14711 4711", "<RPORT> 14711 <RPORT>"},
		{"", ""},
		{"\xff\x00 20 Nov 2026 19:03:56 -0000\xff", "\xff\x00 <DATE -0000>\xff"},
	}
	for _, tt := range tests {
		if got := string(n.bytes([]byte(tt.in))); got != tt.want {
			t.Errorf("normalise(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestTextValue(t *testing.T) {
	if got := textValue([]byte("a\xe9\x00")); got != "a\u00e9\x00" {
		t.Errorf("textValue() = %q", got)
	}
	for _, b := range []string{strings.Repeat("x", bigText+1), strings.Repeat("\x00", binaryText+1)} {
		v, ok := textValue([]byte(b)).(map[string]any)
		if !ok || v["len"] != float64(len(b)) || len(v["sha256"].(string)) != 64 {
			t.Errorf("textValue(%d bytes) = %v, want a hash", len(b), v)
		}
	}
	for _, b := range []string{strings.Repeat("x", bigText), strings.Repeat("\x00", binaryText), strings.Repeat("xxx\x00", 200)} {
		if v, ok := textValue([]byte(b)).(string); !ok || v != b {
			t.Errorf("textValue(%d bytes) is no text", len(b))
		}
	}
}

func TestCheck(t *testing.T) {
	const head = `{"id": "x-0", "cat": "x", "argv": ["p"], "expect": {"rc": 0, "out": "o", "err": "e", "files": {"f": "1"}}`
	tests := []struct {
		name, more, got string
		want, strict    verdict
	}{
		{"equal", ``, `{"rc": 0, "out": "o", "err": "e", "files": {"f": "1"}}`, passed, passed},
		{"exit status", ``, `{"rc": 1, "out": "o", "err": "e", "files": {"f": "1"}}`, failed, failed},
		{"exit status as text", ``, `{"rc": "0", "out": "o", "err": "e", "files": {"f": "1"}}`, failed, failed},
		{"output", ``, `{"rc": 0, "out": "O", "err": "e", "files": {"f": "1"}}`, failed, failed},
		{"stderr", ``, `{"rc": 0, "out": "o", "err": "", "files": {"f": "1"}}`, failed, failed},
		{"stderr ignored", `, "noerr": 1`, `{"rc": 0, "out": "o", "err": "", "files": {"f": "1"}}`, passed, passed},
		{"file missing", ``, `{"rc": 0, "out": "o", "err": "e"}`, failed, failed},
		{"file is not there", ``, `{"rc": 0, "out": "o", "err": "e", "files": {"f": null}}`, failed, failed},
		{"one file more", ``, `{"rc": 0, "out": "o", "err": "e", "files": {"f": "1", "g": ""}}`, failed, failed},
		{"alt", `, "alt": {"rc": 9, "out": "", "err": ""}`, `{"rc": 9, "out": "", "err": ""}`, passedAlt, failed},
		{"go: one key", `, "go": {"out": "new"}`, `{"rc": 0, "out": "new", "err": "e", "files": {"f": "1"}}`, passedSpec, failed},
		{"go: other keys stay", `, "go": {"out": "new"}`, `{"rc": 0, "out": "new", "err": "x", "files": {"f": "1"}}`, failed, failed},
		{"go: pattern", `, "go": {"out": {"re": "a.\\S*"}}`, `{"rc": 0, "out": "a\nb", "err": "e", "files": {"f": "1"}}`, passedSpec, failed},
		{"go: whole text", `, "go": {"out": {"re": "a"}}`, `{"rc": 0, "out": "ab", "err": "e", "files": {"f": "1"}}`, failed, failed},
		{"go: a no-break space is a blank", `, "go": {"out": {"re": "\\S"}}`, `{"rc": 0, "out": "\u00a0", "err": "e", "files": {"f": "1"}}`, failed, failed},
		{"go: files as a whole", `, "go": {"files": {}}`, `{"rc": 0, "out": "o", "err": "e"}`, passedSpec, failed},
		{"go: pattern for a file", `, "go": {"files": {"g": {"re": "x+"}}}`, `{"rc": 0, "out": "o", "err": "e", "files": {"g": "xx"}}`, passedSpec, failed},
		{"go: free", `, "go": "free:out,files"`, `{"rc": 0, "out": "?", "err": "e", "files": {"z": "?"}}`, passedSpec, failed},
		{"go: not free", `, "go": "free:out"`, `{"rc": 0, "out": "?", "err": "?", "files": {"f": "1"}}`, failed, failed},
	}
	for _, tt := range tests {
		c, fx, err := parseLine([]byte(head+tt.more+"}"), nil)
		if err != nil {
			t.Fatal(err)
		}
		tc, err := join(c, fx)
		if err != nil {
			t.Fatal(err)
		}
		var got result
		if err := json.Unmarshal([]byte(tt.got), &got); err != nil {
			t.Fatal(err)
		}
		for strict, want := range map[bool]verdict{false: tt.want, true: tt.strict} {
			if v, _, err := tc.check(&got, strict); v != want || err != nil {
				t.Errorf("%s: check(strict %v) = %v, %v, want %v", tt.name, strict, v, err, want)
			}
		}
	}
	tc := &testCase{Expect: &result{}, Go: json.RawMessage(`"free:everything"`)}
	if _, _, err := tc.check(&result{RC: 1.0}, false); err == nil {
		t.Error("check with a bad go field: no error")
	}
}

func TestHashedTextsCompare(t *testing.T) {
	a := map[string]any{"len": 5.0, "sha256": "x", "z": "1"}
	b := map[string]any{"len": 5.0, "sha256": "x", "head": "2"}
	c := map[string]any{"len": 5.0, "sha256": "y"}
	if !agree(map[string]any{"v": a}, map[string]any{"v": b}) || agree(a, c) || agree(a, "x") {
		t.Error("agree() of hashed texts is wrong")
	}
}

func TestDescribe(t *testing.T) {
	tc := &testCase{ID: "x-1", Argv: []pieces{{{text: []byte("qmail-x"), count: 1}}, {{text: []byte("a b"), count: 1}}}}
	got := tc.describe([]difference{{"out", "new\n", "old"}, {"f", nil, absent}})
	want := "x-1: qmail-x(\"a b\"): out = \"new\\n\", want \"old\"\nx-1: qmail-x(\"a b\"): f = null, want \"<absent>\"\n"
	if got != want {
		t.Errorf("describe() = %q, want %q", got, want)
	}
}

func TestOrdered(t *testing.T) {
	v := map[string]any{"s": "0644 a", "v": map[string]any{"len": 5.0, "head": "\u00e9\n\x01\"\x7f"}, "k": nil}
	want := `{"k": null, "s": "0644 a", "v": {"head": "\u00e9\n\u0001\"\u007f", "len": 5}}`
	want = strings.Replace(want, `\u0001"`, `\u0001\"`, 1)
	if got := ordered(v); got != want {
		t.Errorf("ordered() = %s, want %s", got, want)
	}
}

func TestSortLines(t *testing.T) {
	if got, want := string(sortLines([]byte("b\na\r\nd\rc"))), "a\r\nb\ncd\r"; got != want {
		t.Errorf("sortLines() = %q, want %q", got, want)
	}
}

func TestReadExceptions(t *testing.T) {
	const page = "# Differences\n\n| x-0123456789 | not in the section |\n\n## Conformance cases\n\n| id | reason |\n|---|---|\n" +
		"| qmail-local-0123456789 | says why |\n| `ext-tcprules-abcdef0123` | too |\n\n## Next\n| y-0123456789 | no |\n"
	got, err := readExceptions([]byte(page))
	want := map[string]string{"qmail-local-0123456789": "says why", "ext-tcprules-abcdef0123": "too"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("readExceptions() = %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{
		"# Conformance cases\n| x-0123456789 | |\n",
		"# Conformance cases\n| x-0123456789 | a |\n| x-0123456789 | b |\n",
	} {
		if m, err := readExceptions([]byte(bad)); err == nil {
			t.Errorf("readExceptions(%q) = %q, want an error", bad, m)
		}
	}
	if _, err := exceptions(); err != nil {
		t.Error(err)
	}
}

// Every category is one of the suite's programs, now or later.
func TestCategories(t *testing.T) {
	files, err := caseFiles()
	if err != nil {
		t.Fatal(err)
	}
	cats := map[string]bool{}
	for _, f := range files {
		cats[strings.TrimSuffix(strings.TrimPrefix(f, "cases/"), ".jsonl")] = true
	}
	for _, l := range later {
		if !cats[l] {
			t.Errorf("later has %q, of which there are no cases", l)
		}
	}
	for p := range programs {
		if !cats[p] {
			t.Errorf("programs has %q, of which there are no cases", p)
		}
	}
}

func TestRuns(t *testing.T) {
	for text, want := range map[string]bool{
		`{"h/.qmail": "|qreceipt joe@x\n"}`: true, `{"h/.qmail": {"c": "| /var/qmail/bin/qreceipt\n"}}`: true,
		`{"h/.qmail": "|xqreceipt joe\n"}`: false, `{"qreceipts": "x"}`: false,
	} {
		c := &testCase{raw: rawCase{"files": json.RawMessage(text)}}
		if got := c.runs("qreceipt"); got != want {
			t.Errorf("runs(qreceipt) with files %s = %v, want %v", text, got, want)
		}
	}
}
