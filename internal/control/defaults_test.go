package control

import (
	"testing"

	"goqmail/internal/token822"
)

func TestAddressDefaults(t *testing.T) {
	twice := func(file, value string) string { return value + "." + file }
	env := func(name string) (string, bool) { return "env.x", name == "QMAILDEFAULTDOMAIN" }
	tests := []struct {
		name     string
		files    map[string]string
		override func(file, value string) string
		in, want string
		bad      string // the HostError's text
	}{
		{"files", map[string]string{"me": "m", "defaulthost": "h", "defaultdomain": "d.x", "plusdomain": "p"}, nil, "a", "a@h.d.x", ""},
		{"plus", map[string]string{"me": "m", "plusdomain": "p.x\n"}, nil, "a@b+", "a@b.p.x", ""},
		{"me", map[string]string{"me": "m.x"}, nil, "a@b", "a@b.m.x", ""},
		{"nothing", nil, nil, "a", "a@defaulthost.defaultdomain", ""},
		{"override", map[string]string{"me": "m"}, twice, "a", "a@m.defaulthost", ""},
		{"environment", map[string]string{"me": "m"}, EnvironmentFirst(env), "a@b", "a@b.env.x", ""},
		{"environment without it", map[string]string{"me": "m.x"}, EnvironmentFirst(env), "a", "a@m.x", ""},
		{"no token", map[string]string{"defaulthost": "]"}, nil, "", "", "@]"},
		{"no token in a domain", map[string]string{"plusdomain": "(x"}, nil, "", "", ".(x"},
	}
	for _, tt := range tests {
		r, err := Open(home(t, tt.files))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		d, err := r.AddressDefaults(tt.override)
		if tt.bad != "" {
			if e, ok := err.(*HostError); !ok || e.Text != tt.bad {
				t.Errorf("%s: error %v, want a HostError of %q", tt.name, err, tt.bad)
			}
			continue
		}
		l, perr := token822.Parse(tt.in)
		if err != nil || perr != nil {
			t.Fatalf("%s: %v, %v", tt.name, err, perr)
		}
		if got := d.Complete(l).Address(); got != tt.want {
			t.Errorf("%s: %q becomes %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	r, err := Open(home(t, map[string]string{"plusdomain": "DIR"}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.AddressDefaults(nil); err == nil {
		t.Error("AddressDefaults of a file that cannot be read: no error")
	}
}
