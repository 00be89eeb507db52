package prog

import "testing"

func TestEnv(t *testing.T) {
	e := NewEnv([]string{"A=1", "B=", "A=2", "junk"})
	if v, ok := e.Get("A"); v != "1" || !ok {
		t.Errorf("A = %q, %v", v, ok)
	}
	if v, ok := e.Get("B"); v != "" || !ok {
		t.Errorf("B = %q, %v", v, ok)
	}
	if _, ok := e.Get("C"); ok {
		t.Error("C is set")
	}
	c := e.Clone()
	c.Set("A", "3")
	c.Set("C", "x=y")
	c.Unset("B")
	if v, _ := e.Get("A"); v != "1" {
		t.Error("a clone is not independent")
	}
	if v, _ := c.Get("C"); v != "x=y" {
		t.Errorf("C = %q", v)
	}
	c.Unset("A")
	if _, ok := c.Get("A"); ok {
		t.Error("A is still set after Unset")
	}
	if _, ok := (Env{}).Get("A"); ok || (Env{}).List() != nil {
		t.Error("the zero Env is not empty")
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name string
		args []string
		spec string
		want string // letters, values in (), ? with the text
		rest int
	}{
		{"joined", []string{"-ab", "x"}, "abf:", "ab", 1},
		{"value joined", []string{"-fx", "-a"}, "abf:", "f(x)a", 0},
		{"value next", []string{"-af", "x", "y"}, "abf:", "af(x)", 1},
		{"end", []string{"-a", "--", "-b"}, "abf:", "a", 1},
		{"lone dash", []string{"-", "-a"}, "a", "", 2},
		{"illegal", []string{"-z"}, "a", "?illegal option -- z", 0},
		{"colon", []string{"-:"}, "a:", "?illegal option -- :", 0},
		{"missing", []string{"-f"}, "f:", "?option requires an argument -- f", 0},
	}
	for _, tt := range tests {
		o := NewOptions(tt.args, tt.spec)
		got := ""
		for c := o.Next(); c != 0; c = o.Next() {
			got += string(c)
			if c == '?' {
				got += o.Bad
			}
			if o.Value != "" {
				got += "(" + o.Value + ")"
			}
		}
		if got != tt.want || len(o.Rest()) != tt.rest {
			t.Errorf("%s: %q, %d left, want %q, %d", tt.name, got, len(o.Rest()), tt.want, tt.rest)
		}
	}
}
