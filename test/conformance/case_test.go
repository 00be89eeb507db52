package conformance

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A rawCase is one line of a case file. Bytes are written as the code points
// U+0000 to U+00FF in its strings. A line that has "fixture" holds defaults for
// the cases that name it in "fx"; it comes before them in the same file.
type rawCase map[string]json.RawMessage

// A testCase is a rawCase joined with its fixture, ready to run.
type testCase struct {
	ID   string   `json:"id"`
	Cat  string   `json:"cat"`  // the file, and the program or package it is about
	Argv []pieces `json:"argv"` // a first word without slash is below bin; "ext:a|b" is the first of a, b there is

	Argv0   *pieces    `json:"argv0"` // argv[0], where it is not argv's
	In      pieces     `json:"in"`    // what is on descriptor 0
	In1     pieces     `json:"in1"`   // with kind env1: what can be read from descriptor 1
	In3     *pieces    `json:"in3"`   // what can be read from descriptor 3
	Kind    string     `json:"kind"`  // "" or pipe, file, hold, env1, tcp, daemon
	Timeout float64    `json:"timeout"`
	User    string     `json:"user"`  // USER or USER:GROUP, names or numbers; "" is root
	Cwd     string     `json:"cwd"`   // see realPath
	Umask   string     `json:"umask"` // octal; "" is 022
	From    string     `json:"from"`  // with kind tcp: the client's address
	Port    int        `json:"port"`  // with kind daemon: where it listens
	Conns   []conn     `json:"conns"` // with kind daemon: the connections to make, one after the other
	Server  *fakeServe `json:"server"`
	Pre     []string   `json:"pre"` // shell commands, as root, before and after
	Post    []string   `json:"post"`

	Files   []fileEntry    `json:"-"` // what to make, in this order
	Env     []envEntry     `json:"-"` // besides PATH and TZ
	Queue   bool           `json:"-"` // uses the queue
	QQ      string         `json:"-"` // a recording queue program, "" none
	Capture []string       `json:"-"` // what to record afterwards
	Stat    bool           `json:"-"` // record modes and owners too
	SnapQ   string         `json:"-"` // "" no, "raw" message numbers as they are, else renamed
	Norm    [][2]pieceText `json:"-"` // further replacements in results
	SortOut bool           `json:"-"` // compare the sorted lines of standard output

	NoErr  bool            `json:"-"` // do not compare standard error
	Expect *result         `json:"-"`
	Alt    *result         `json:"-"`
	Go     json.RawMessage `json:"-"`
	GoWhy  string          `json:"gowhy"`

	raw, fixture rawCase // what it was made of
}

// A conn is one connection to a daemon.
type conn struct {
	From string `json:"from"`
	To   string `json:"to"`
	In   pieces `json:"in"`
}

// A fakeServe is a TCP server for one connection. Mode says when it has read
// enough to answer: "netstring" one netstring, "line" one line, else end of
// input.
type fakeServe struct {
	IP    string  `json:"ip"`
	Port  int     `json:"port"`
	Wait  float64 `json:"wait"` // seconds to wait for a connection; 0 is 3
	Greet *pieces `json:"greet"`
	Mode  string  `json:"mode"`
	Reply pieces  `json:"reply"`
}

// A fileEntry is a file to make. Spec nil: a file that shall not be there.
type fileEntry struct {
	Path string
	Spec *fileSpec
}

// A fileSpec says what a fileEntry is: a file with content C or Z, a directory,
// a symbolic link or a FIFO.
type fileSpec struct {
	C    pieces  `json:"c"`
	Z    *string `json:"z"` // content, base64 of zlib
	Mode *string `json:"m"` // octal
	Own  *string `json:"o"` // USER or USER:GROUP
	MT   *int64  `json:"mt"`
	Dir  anyBool `json:"d"`
	Link *string `json:"l"`
	FIFO anyBool `json:"fifo"`
}

// An envEntry sets, or with Value nil unsets, a variable.
type envEntry struct {
	Name  string
	Value *string
}

// anyBool is a JSON value that counts as true or false: false, 0, "" and null
// are false.
type anyBool bool

func (b *anyBool) UnmarshalJSON(j []byte) error {
	switch s := string(j); s {
	case "false", "0", `""`, "null":
		*b = false
	default:
		*b = true
	}
	return nil
}

// A pieceText is bytes written as code points.
type pieceText []byte

func (p *pieceText) UnmarshalJSON(j []byte) error {
	var s string
	if err := json.Unmarshal(j, &s); err != nil {
		return err
	}
	b, err := latin1(s)
	*p = b
	return err
}

// pieces are bytes, written as a string or as a list of strings, of [string,
// count] for repeated ones, and of {"now": delta}, the time in decimal, or as
// four little-endian bytes with "as": "le32".
type pieces []piece

type piece struct {
	text  []byte
	count int
	now   *int64
	le32  bool
}

func (p *pieces) UnmarshalJSON(j []byte) error {
	*p = nil
	if string(j) == "null" {
		return nil
	}
	if j[0] == '"' {
		var t pieceText
		if err := json.Unmarshal(j, &t); err != nil {
			return err
		}
		*p = pieces{{text: t, count: 1}}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(j, &list); err != nil {
		return err
	}
	for _, e := range list {
		q := piece{count: 1}
		var err error
		switch e[0] {
		case '"':
			err = json.Unmarshal(e, (*pieceText)(&q.text))
		case '[':
			err = json.Unmarshal(e, &[2]any{(*pieceText)(&q.text), &q.count})
		default:
			var o struct {
				Now int64  `json:"now"`
				As  string `json:"as"`
			}
			err = json.Unmarshal(e, &o)
			q.now, q.le32 = &o.Now, o.As == "le32"
		}
		if err != nil {
			return err
		}
		*p = append(*p, q)
	}
	return nil
}

// bytes puts the pieces together; now is Unix time.
func (p pieces) bytes(now int64) []byte {
	var out []byte
	for _, q := range p {
		switch {
		case q.now != nil && q.le32:
			out = binary.LittleEndian.AppendUint32(out, uint32(now+*q.now))
		case q.now != nil:
			out = strconv.AppendInt(out, now+*q.now, 10)
		default:
			out = append(out, bytes.Repeat(q.text, q.count)...)
		}
	}
	return out
}

// latin1 turns code points into bytes.
func latin1(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, fmt.Errorf("code point %U in case data", r)
		}
		out = append(out, byte(r))
	}
	return out, nil
}

// unlatin1 turns bytes into code points.
func unlatin1(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// object calls f for each member of a JSON object, in the order of the text.
func object(j json.RawMessage, f func(key string, value json.RawMessage) error) error {
	if len(j) == 0 || string(j) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(j))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("not an object: %.40s", j)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := f(key.(string), value); err != nil {
			return err
		}
	}
	return nil
}

// own returns the case's field key, or the fixture's where the case has none.
func own(c, fx rawCase, key string) json.RawMessage {
	if v, ok := c[key]; ok {
		return v
	}
	return fx[key]
}

// truth reports whether a field counts as true.
func truth(j json.RawMessage) bool {
	var b anyBool
	return len(j) > 0 && b.UnmarshalJSON(j) == nil && bool(b)
}

// join makes a case out of a line and the fixture it names.
func join(c, fx rawCase) (*testCase, error) {
	merged := rawCase{}
	for k, v := range c {
		merged[k] = v
	}
	for _, k := range []string{"kind", "user", "cwd"} {
		if v := own(c, fx, k); v != nil {
			merged[k] = v
		}
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	t := &testCase{raw: c, fixture: fx}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, err
	}
	t.Queue = truth(c["queue"]) || truth(fx["queue"])
	t.Stat = truth(own(c, fx, "stat"))
	t.SortOut, t.NoErr = truth(c["sortout"]), truth(c["noerr"])
	t.Go = c["go"]
	t.QQ = named(own(c, fx, "qq"), "qq")
	t.SnapQ = named(own(c, fx, "snapq"), "renamed")
	for key, dst := range map[string]any{"capture": &t.Capture, "norm": &t.Norm} {
		if v := own(c, fx, key); v != nil {
			if err := json.Unmarshal(v, dst); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	for key, dst := range map[string]**result{"expect": &t.Expect, "alt": &t.Alt} {
		if v := c[key]; v != nil {
			if err := json.Unmarshal(v, dst); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return t, errors.Join(t.joinFiles(c, fx), t.joinEnv(c, fx))
}

// named reads a field that is a truth value or a name: "" when false, def when
// true.
func named(j json.RawMessage, def string) string {
	var s string
	switch {
	case !truth(j):
		return ""
	case json.Unmarshal(j, &s) == nil:
		return s
	}
	return def
}

// joinFiles puts "files" and "control" of fixture and case together. A later
// entry for a path takes the place of an earlier one; control of the fixture
// is the weakest.
func (t *testCase) joinFiles(c, fx rawCase) error {
	index := map[string]int{}
	put := func(path string, weak bool, j json.RawMessage) error {
		spec, err := parseSpec(j)
		if err != nil {
			return fmt.Errorf("file %s: %w", path, err)
		}
		if i, ok := index[path]; !ok {
			index[path] = len(t.Files)
			t.Files = append(t.Files, fileEntry{path, spec})
		} else if !weak {
			t.Files[i].Spec = spec
		}
		return nil
	}
	plain := func(weak bool) func(string, json.RawMessage) error {
		return func(k string, v json.RawMessage) error { return put(k, weak, v) }
	}
	control := func(weak bool) func(string, json.RawMessage) error {
		return func(k string, v json.RawMessage) error { return put("q:control/"+k, weak, v) }
	}
	if err := errors.Join(
		object(fx["files"], plain(false)), object(c["files"], plain(false)),
		object(fx["control"], control(true)), object(c["control"], control(false)),
	); err != nil {
		return err
	}
	// null says "not there"; it removes something only where the case's own
	// files say so
	mine := map[string]bool{}
	err := object(c["files"], func(k string, _ json.RawMessage) error { mine[k] = true; return nil })
	var files []fileEntry
	for _, f := range t.Files {
		if f.Spec != nil || mine[f.Path] {
			files = append(files, f)
		}
	}
	t.Files = files
	return err
}

// parseSpec reads the value of a file: content alone, or an object, or null.
func parseSpec(j json.RawMessage) (*fileSpec, error) {
	if string(j) == "null" {
		return nil, nil
	}
	s := &fileSpec{}
	if j[0] == '{' {
		return s, json.Unmarshal(j, s)
	}
	return s, json.Unmarshal(j, &s.C)
}

// joinEnv puts the environments of fixture and case together.
func (t *testCase) joinEnv(c, fx rawCase) error {
	add := func(k string, v json.RawMessage) error {
		if string(v) == "null" {
			t.Env = append(t.Env, envEntry{k, nil})
			return nil
		}
		var b pieceText
		if err := json.Unmarshal(v, &b); err != nil {
			return err
		}
		s := string(b)
		t.Env = append(t.Env, envEntry{k, &s})
		return nil
	}
	return errors.Join(object(fx["env"], add), object(c["env"], add))
}

// loadFile reads a case file.
func loadFile(path string) ([]*testCase, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	var cases []*testCase
	fixtures := map[string]rawCase{}
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, rerr := r.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			c, fx, err := parseLine(line, fixtures)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			if c != nil {
				t, err := join(c, fx)
				if err != nil {
					return nil, fmt.Errorf("%s:%d: %w", path, n, err)
				}
				cases = append(cases, t)
			}
		}
		if rerr == io.EOF {
			return cases, nil
		}
		if rerr != nil {
			return nil, rerr
		}
	}
}

// parseLine reads one line: a fixture, which it adds to fixtures, or a case and
// the fixture it names.
func parseLine(line []byte, fixtures map[string]rawCase) (c, fx rawCase, err error) {
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, nil, err
	}
	var name string
	if v, ok := c["fixture"]; ok {
		if err := json.Unmarshal(v, &name); err != nil {
			return nil, nil, err
		}
		fixtures[name] = c
		return nil, nil, nil
	}
	if v, ok := c["fx"]; ok {
		if err := json.Unmarshal(v, &name); err != nil {
			return nil, nil, err
		}
		if fx = fixtures[name]; fx == nil {
			return nil, nil, fmt.Errorf("no fixture %q", name)
		}
	}
	return c, fx, nil
}

// caseFiles lists the case files.
func caseFiles() ([]string, error) {
	files, err := filepath.Glob("cases/*.jsonl")
	if err == nil && len(files) == 0 {
		err = errors.New("no case files in cases/")
	}
	return files, err
}
