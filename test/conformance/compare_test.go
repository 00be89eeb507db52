package conformance

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strings"
)

// A result is what a case gave, or should give.
type result struct {
	RC    any            `json:"rc"`              // exit status; minus a signal's number; "timeout"; "exec: why not"
	Out   any            `json:"out"`             // a text, see textValue
	Err   any            `json:"err"`             // a text
	Files map[string]any `json:"files,omitempty"` // a text, nil for nothing there, or {v, k, s}
}

// Texts of more than bigText bytes, and of more than binaryText bytes a quarter
// of which is NUL, are kept as length and hash.
const (
	bigText    = 4000
	binaryText = 400
)

// textValue is b as it stands in a result: a string of code points, or an
// object with len and sha256, and, for people, the text compressed (z) or its
// beginning (head).
func textValue(b []byte) any {
	if len(b) <= bigText && (len(b) <= binaryText || bytes.Count(b, []byte{0}) <= len(b)/4) {
		return unlatin1(b)
	}
	sum := sha256.Sum256(b)
	v := map[string]any{"len": float64(len(b)), "sha256": hex.EncodeToString(sum[:])}
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if text := base64.StdEncoding.EncodeToString(z.Bytes()); err == nil && len(text) < 1500 {
		v["z"] = text
	} else {
		v["head"] = unlatin1(b[:160])
	}
	return v
}

// plain leaves only what is compared.
func plain(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	if sum, ok := m["sha256"]; ok {
		return map[string]any{"len": m["len"], "sha256": sum}
	}
	out := map[string]any{}
	for k, x := range m {
		out[k] = plain(x)
	}
	return out
}

// absent stands for a file that a result does not mention.
const absent = "<absent>"

// A difference is one field that is not as wanted.
type difference struct {
	field     string
	got, want any
}

// A wanted is one result that is accepted.
type wanted struct {
	result
	free map[string]bool // fields that are not compared
}

// differences compares got with w. Files are compared one by one.
func (w *wanted) differences(got *result, noErr bool) []difference {
	var d []difference
	compare := func(field string, got, want any) {
		if !agree(got, want) {
			d = append(d, difference{field, got, want})
		}
	}
	if !w.free["rc"] {
		compare("rc", got.RC, w.RC)
	}
	if !w.free["out"] {
		compare("out", got.Out, w.Out)
	}
	if !w.free["err"] && !noErr {
		compare("err", got.Err, w.Err)
	}
	if w.free["files"] {
		return d
	}
	names := map[string]bool{}
	for n := range got.Files {
		names[n] = true
	}
	for n := range w.Files {
		names[n] = true
	}
	var order []string
	for n := range names {
		order = append(order, n)
	}
	sort.Strings(order)
	file := func(r *result, name string) any {
		if v, ok := r.Files[name]; ok {
			return v
		}
		return absent
	}
	for _, n := range order {
		compare(n, file(got, n), file(&w.result, n))
	}
	return d
}

// agree compares one field. A want of {"re": pattern} is a regular expression
// for a whole text; parseGo has compiled it.
func agree(got, want any) bool {
	if re, ok := want.(*regexp.Regexp); ok {
		s, ok := got.(string)
		return ok && re.MatchString(s)
	}
	return reflect.DeepEqual(plain(got), plain(want))
}

// resultFields are the names that "free:" may list.
var resultFields = map[string]bool{"rc": true, "out": true, "err": true, "files": true}

// parseGo reads the "go" field: the result that the specification asks for. Its
// keys take the place of those of expect; "free:out,err" instead names fields
// that are not compared.
func parseGo(j json.RawMessage, expect *result) (*wanted, error) {
	w := &wanted{result: *expect}
	var s string
	if json.Unmarshal(j, &s) == nil {
		list, ok := strings.CutPrefix(s, "free:")
		w.free = map[string]bool{}
		for _, f := range strings.Split(list, ",") {
			ok = ok && resultFields[f]
			w.free[f] = true
		}
		if !ok {
			return nil, fmt.Errorf("bad go field %q", s)
		}
		return w, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(j, &fields); err != nil {
		return nil, err
	}
	var errs []error
	for k, v := range fields {
		var err error
		switch k {
		case "rc":
			w.RC = v
		case "out":
			w.Out, err = pattern(v)
		case "err":
			w.Err, err = pattern(v)
		case "files":
			w.Files = map[string]any{}
			for name, x := range v.(map[string]any) {
				if w.Files[name], err = pattern(x); err != nil {
					break
				}
			}
		default:
			err = fmt.Errorf("unknown key %q in a go field", k)
		}
		errs = append(errs, err)
	}
	return w, errors.Join(errs...)
}

// blank is what \s stands for in the recorded patterns, where it knows the
// blanks of Latin-1; RE2's \s is shorter.
const blank = `\t-\r\x1c-\x20\x{85}\x{a0}`

// pattern compiles a want of the form {"re": pattern}.
func pattern(v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return v, nil
	}
	p, ok := m["re"].(string)
	if !ok {
		return v, nil
	}
	p = strings.NewReplacer(`\\`, `\\`, `\s`, `[`+blank+`]`, `\S`, `[^`+blank+`]`).Replace(p)
	return regexp.Compile(`\A(?s:` + p + `)\z`)
}

// A verdict says how a case ended.
type verdict int

const (
	failed     verdict = iota
	passed             // as notqmail 1.09
	passedAlt          // as netqmail 1.06
	passedSpec         // as the specification asks where C differs
)

// check compares a result with everything the case accepts. The differences are
// those from the first reference.
func (t *testCase) check(got *result, strict bool) (verdict, []difference, error) {
	d := (&wanted{result: *t.Expect}).differences(got, t.NoErr)
	if len(d) == 0 {
		return passed, nil, nil
	}
	if strict {
		return failed, d, nil
	}
	if t.Alt != nil && len((&wanted{result: *t.Alt}).differences(got, t.NoErr)) == 0 {
		return passedAlt, nil, nil
	}
	if len(t.Go) > 0 && string(t.Go) != "null" {
		w, err := parseGo(t.Go, t.Expect)
		if err != nil {
			return failed, d, fmt.Errorf("%s: %w", t.ID, err)
		}
		if len(w.differences(got, t.NoErr)) == 0 {
			return passedSpec, nil, nil
		}
	}
	return failed, d, nil
}

// shown is the longest value in a failure message, in bytes.
const shown = 1500

// show writes a value for people.
func show(v any) string {
	var s string
	switch v := v.(type) {
	case *regexp.Regexp:
		s = v.String()
	case string:
		s = fmt.Sprintf("%q", v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			b = []byte(err.Error())
		}
		s = string(b)
	}
	if len(s) > shown {
		s = s[:shown] + "..."
	}
	return s
}

// describe writes the failure of a case, one line for each difference.
func (t *testCase) describe(d []difference) string {
	var args []string
	for i, a := range t.Argv {
		if i > 0 {
			args = append(args, fmt.Sprintf("%q", a.bytes(0)))
		}
	}
	call := strings.Join(args, " ")
	if len(call) > 150 {
		call = call[:150] + "..."
	}
	call = fmt.Sprintf("%s(%s)", t.Argv[0].bytes(0), call)
	var b strings.Builder
	for _, x := range d {
		fmt.Fprintf(&b, "%s: %s: %s = %s, want %s\n", t.ID, call, x.field, show(x.got), show(x.want))
	}
	if len(t.Go) > 0 {
		fmt.Fprintf(&b, "%s: also accepted (%s): %.*s\n", t.ID, t.GoWhy, shown, t.Go)
	}
	return b.String()
}

// ordered writes a value as JSON with sorted keys and only ASCII in it: the
// order in which files of the same normalised name are numbered is that of
// these texts.
func ordered(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for i, k := range keys {
			keys[i] = ordered(k) + ": " + ordered(v[k])
		}
		return "{" + strings.Join(keys, ", ") + "}"
	case string:
		var b strings.Builder
		b.WriteByte('"')
		for _, r := range v {
			switch {
			case r == '"' || r == '\\':
				b.WriteByte('\\')
				b.WriteRune(r)
			case r >= ' ' && r <= '~':
				b.WriteRune(r)
			default:
				if i := strings.IndexRune("\b\f\n\r\t", r); i >= 0 {
					b.WriteByte('\\')
					b.WriteByte("bfnrt"[i])
					continue
				}
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		}
		b.WriteByte('"')
		return b.String()
	case float64:
		return fmt.Sprintf("%d", int64(v))
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}
