package tcprules

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sources with the records they give, "key=data"; observed with tcprules of
// Debian's ucspi-tcp-ipv6 0.88-7, where it ends at all.
var sources = []struct {
	in   string
	want []string
	bad  string // the line that is no rule
}{
	{"9.9.9.9:deny\n:allow\n8.8.8.:allow,Q=\"q\"\n", []string{"9.9.9.9=D\x00", "=", "8.8.8.=+Q=q\x00"}, ""},
	{"", nil, ""},
	{"\n \t\n#c\n# x:allow\n:deny", []string{"=D\x00"}, ""},
	{" #:allow\n", []string{" #="}, ""},
	{"1.2.3.4:allow \t\n", []string{"1.2.3.4="}, ""},
	{"1.2.3.4 :allow\n", []string{"1.2.3.4 ="}, ""},
	{"::1:allow\n2001:db8::deny\n", []string{"::1=", "2001:db8:=D\x00"}, ""},
	{"1.2.3.4-6:allow\n", []string{"1.2.3.4=", "1.2.3.5=", "1.2.3.6="}, ""},
	{"1.2.3-4.:deny\n", []string{"1.2.3.=D\x00", "1.2.4.=D\x00"}, ""},
	{"1-2.3.:deny\n", []string{"1.3.=D\x00", "2.3.=D\x00"}, ""},
	{"1.2.3.9-5:allow\n", nil, ""},
	{"1.2.3.254-260:deny\n", []string{"1.2.3.254=D\x00", "1.2.3.255=D\x00"}, ""},
	{"1.99999999999999999999-5:deny\n", nil, ""},
	{"1.253-99999999999999999999:allow\n", []string{"1.253=", "1.254=", "1.255="}, ""},
	{"1.-1:allow\n1.1-:allow\n-:allow\n", []string{"1.0=", "1.1=", "0="}, ""},
	{"1.002-003:allow\n", []string{"1.2=", "1.3="}, ""},
	{"1.2-3.4-5:allow\n", []string{"1.2.4-5=", "1.3.4-5="}, ""},
	{"1.2.3.256:deny\n", []string{"1.2.3.256=D\x00"}, ""},
	{"=my-host.example:deny\na-b@1.2.3.4:deny\n", []string{"=my-host.example=D\x00", "a-b@1.2.3.4=D\x00"}, ""},
	{"=A.B:deny\n", []string{"=A.B=D\x00"}, ""},
	{":allow,A=/x y/,B=#c,d#\n", []string{"=+A=x y\x00+B=c,d\x00"}, ""},
	{":allow,=\"x\"\n", []string{"=+=x\x00"}, ""},
	{":allow,A=b b\n", []string{"=+A= \x00"}, ""},
	{":allow,A=b:allowb\n", []string{"=+A=:allow\x00"}, ""},
	{":deny,A=,b,\n", []string{"=D\x00+A=b\x00"}, ""},
	{":allow,N=\"a\x00b\"\n", []string{"=+N=a\x00b\x00"}, ""},
	{"\xe9:allow\n", []string{"\xe9="}, ""},
	{"a:deny\nx\n:allow\n", []string{"a=D\x00"}, "x"},
	{":foo\n", nil, ":foo"},
	{":Allow\n", nil, ":Allow"},
	{":allow\r\n", nil, ":allow\r"},
	{"1.2.3.4:allowed\n", nil, "1.2.3.4:allowed"},
	{"x:deny:allow\n", nil, "x:deny:allow"},
	{":allow,\n", nil, ":allow,"},
	{":allow,X\n", nil, ":allow,X"},
	{":allow,X=  \n", nil, ":allow,X="},
	{":allow,X=\"unclosed\n", nil, ":allow,X=\"unclosed"},
	{":allow,X=\"\"Y=\"\"\n", nil, ":allow,X=\"\"Y=\"\""},
	{":allow,X=\"\",\n", nil, ":allow,X=\"\","},
	{"1-2-3.4:deny\n", nil, "1-2-3.4:deny"},
	{"1.2x-3:deny\n", nil, "1.2x-3:deny"},
	{"2001:1-2::deny\n", nil, "2001:1-2::deny"},
}

func TestCompile(t *testing.T) {
	for _, tt := range sources {
		var got []string
		err := Compile([]byte(tt.in), func(key, data []byte) error {
			got = append(got, string(key)+"="+string(data))
			return nil
		})
		bad := ""
		if e, ok := err.(*LineError); ok && errors.Is(err, ErrFormat) {
			bad = string(e.Line)
		} else if err != nil {
			t.Errorf("%q: error %v", tt.in, err)
		}
		if !slices.Equal(got, tt.want) || bad != tt.bad {
			t.Errorf("%q: %q, bad line %q, want %q, %q", tt.in, got, bad, tt.want, tt.bad)
		}
	}
	errPut := errors.New("disk full")
	if err := Compile([]byte(":allow\n"), func(_, _ []byte) error { return errPut }); err != errPut {
		t.Errorf("failing put: error %v", err)
	}
}

// client makes a Client of "ip host info", where - stands for unknown and ”
// for empty.
func client(s string) Client {
	f := strings.Split(s, " ")
	get := func(name string) (string, bool) {
		v := f[slices.Index([]string{"TCPREMOTEIP", "TCPREMOTEHOST", "TCPREMOTEINFO"}, name)]
		if v == "''" {
			v = ""
		}
		return v, v != "-"
	}
	return ClientFromEnv(get)
}

// orders: the keys that are tried for a client, in order; observed with
// tcprulescheck of Debian's ucspi-tcp-ipv6 by removing the rule it found.
var orders = []struct{ client, want string }{
	{"- - -", ""},
	{"- - joe", ""},
	{"1.2.3.4 - -", "1.2.3.4 1.2.3. 1.2. 1. "},
	{"1.2.3.4 a.b.c joe", "joe@1.2.3.4 joe@=a.b.c 1.2.3.4 =a.b.c 1.2.3. 1.2. 1. =.b.c =.c = "},
	{"- a.b joe", "joe@=a.b =a.b =.b = "},
	{"1.2.3.4 '' ''", "@1.2.3.4 @= 1.2.3.4 = 1.2.3. 1.2. 1. = "},
	{"2001:db8::5 - joe", "joe@2001:db8::5 2001:db8::5 2001:db8:: 2001:db8: 2001: "},
	{"::1 - -", "::1 :: : "},
	{"1.2 .x..y -", "1.2 =.x..y 1. =..y =.y = "},
	{"1.2.3.4. A.B -", "1.2.3.4. =A.B 1.2.3. 1.2. 1. =.B = "},
	{"fe80::1%lo h. -", "fe80::1%lo =h. fe80:: fe80: =. = "},
	{"junk - -", "junk "},
}

func TestOrder(t *testing.T) {
	for _, tt := range orders {
		var tried []string
		d, err := Lookup(func(key string) ([]byte, bool, error) {
			tried = append(tried, key)
			return nil, false, nil
		}, client(tt.client))
		if got := strings.Join(tried, " "); got != tt.want || d.Found || d.Deny || d.Vars != nil || err != nil {
			t.Errorf("%s: tried %q, decision %+v, error %v, want %q", tt.client, got, d, err, tt.want)
		}
		for i, key := range tried {
			tried2 := 0
			d, err := Lookup(func(k string) ([]byte, bool, error) {
				tried2++
				return []byte("+A=b\x00D\x00"), k == key, nil
			}, client(tt.client))
			first := slices.Index(tried, key)
			if !d.Found || d.Key != key || !d.Deny || len(d.Vars) != 1 || err != nil || tried2 != first+1 {
				t.Errorf("%s: key %d %q: %+v after %d keys, error %v", tt.client, i, key, d, tried2, err)
			}
		}
	}
}

func TestLookupError(t *testing.T) {
	errRead := errors.New("input/output error")
	d, err := Lookup(func(key string) ([]byte, bool, error) { return nil, key == "1.2.", errRead }, client("1.2.3 - -"))
	if err != errRead || d.Found {
		t.Errorf("%+v, error %v, want the getter's error", d, err)
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		data string
		deny bool
		vars []string
	}{
		{"", false, nil},
		{"D\x00", true, nil},
		{"D", false, nil},
		{"Dx\x00", true, nil},
		{"+A=b\x00+C=d e\x00", false, []string{"A=b", "C=d e"}},
		{"+A=b\x00+C=d", false, []string{"A=b"}},
		{"D\x00+A=b\x00", true, nil},
		{"+A=b\x00D\x00", true, []string{"A=b"}},
		{"X\x00\x00+A\x00+=\x00+B=\x00", false, []string{"=", "B="}},
		{"+N=a\x00b\x00", false, []string{"N=a"}},
	}
	for _, tt := range tests {
		deny, vars := decode([]byte(tt.data))
		if deny != tt.deny || !slices.Equal(vars, tt.vars) {
			t.Errorf("decode(%q) = %v, %q, want %v, %q", tt.data, deny, vars, tt.deny, tt.vars)
		}
	}
}

// FuzzLine: the data of a rule decodes to the rule; its keys are its address,
// or differ from it in one number.
func FuzzLine(f *testing.F) {
	for _, tt := range sources {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, ok, err := ParseLine(line)
		if !ok {
			return
		}
		if err != nil || !bytes.HasPrefix(line, []byte(r.Address+":")) {
			t.Fatalf("%q: address %q, error %v", line, r.Address, err)
		}
		deny, vars := decode(r.Data())
		// A NUL in a value is stored as it is, as C does, and so ends its item: what
		// follows can even read as another one.
		plain := bytes.IndexByte(line, 0) < 0
		if plain && deny != r.Deny || r.Deny && !deny {
			t.Fatalf("%q: deny %v, decoded %v", line, r.Deny, deny)
		}
		if plain && !deny && !slices.Equal(vars, r.Vars) {
			t.Fatalf("%q: variables %q, decoded %q", line, r.Vars, vars)
		}
		keys, err := r.Keys()
		if err != nil {
			return
		}
		if len(keys) > maxRange+1 {
			t.Fatalf("%q: %d keys", line, len(keys))
		}
		for i, key := range keys {
			if i > 0 && key == keys[i-1] {
				t.Fatalf("%q: key %q twice", line, key)
			}
			if len(keys) == 1 && key == r.Address {
				continue
			}
			if fmt.Sprint(strings.Count(key, "-")) != fmt.Sprint(strings.Count(r.Address, "-")-1) {
				t.Fatalf("%q: key %q", line, key)
			}
		}
	})
}

// FuzzDecode: what decodes is spelled in one way, which decodes to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("D\x00"))
	f.Add([]byte("+A=b\x00+C=d e\x00D"))
	f.Fuzz(func(t *testing.T, data []byte) {
		deny, vars := decode(data)
		if deny {
			return // variables before a D are nothing tcprules writes
		}
		deny2, vars2 := decode(Rule{Vars: vars}.Data())
		if deny2 || !slices.Equal(vars, vars2) {
			t.Errorf("%q decodes to %q, then to %v %q", data, vars, deny2, vars2)
		}
	})
}
