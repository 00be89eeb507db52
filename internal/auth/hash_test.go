package auth

import (
	"strings"
	"testing"
)

// encoded are passwords as crypt(3) of libxcrypt 4.4.33 encodes them.
var encoded = []struct{ password, hash string }{
	{"openwall", "$y$j9T$AAt9R641xPvCI9nXw1HHW/$cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A"},
	{"", "$y$j9T$AAt9R641xPvCI9nXw1HHW/$TOYgJKiXcH/auni8S.vtnILcYzHyZW70inELqm8O4j6"},
	{"\xff\xfe pass:word", "$y$j9T$AAt9R641xPvCI9nXw1HHW/$9ZJ0lWbAdU6cXiKpfr2BrfbALp.iw1BOmfZgQ83C941"},
	{"openwall", "$y$j75$z7ztFz2FayrKI79/jEwlL.$Yqw6zjQ/yn2xNYif7DxsWD1xs8Dhf4QXeFB8izlPIb4"},
	{"openwall", "$y$jBT$/YBmADVZsSMw3xfv8M76X0$7kOjLBsPavCH31hCZKbRHTrdHn37BH8xmMY3PuHuub."},
	{"openwall", "$y$j9T$$H666rZCPbboCnWFK5HkOTyAvRrMEXg5h.NINFZ2Jyx."},
	{"openwall", "$y$j7.$////$IcgI3WuEWIBCDrPWKYlTkEzPcYJBqko4K7FGsVVBIGC"},
	{"openwall", "$6$saltstring$vvludwqUtqByMJAGozSjtpIZkV9kucqVFBY4uoCk0/sNAl8qNyj9.nrDH2nSIsxHRcczVlrKl8//T5dFd1IC9."},
	{"", "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1"},
	{"\xff\xfe pass:word", "$6$saltstring$gXjLUrMszAb5rXywV5U946/ls6zD6ZVORgkzfoHvUofE7/xjWZGe3fMB2hq7fRBtLeQ4oRf1A5LTFlTO9XaVq1"},
	{"openwall", "$6$rounds=1000$abcdefghijklmnop$O6xbTXGc2f08ifp6k7cRjeJohtlEzo9ZYDowlVyJWqevwlFHlWwm.XcXbGdwrFO9plf5zVxwe9NgTYfxkYsX./"},
	{"openwall", "$6$rounds=5000$short$1FD6CDkfRNRdlXB4e0cmBSCm7GbN/CesSo/DyD6TuHpBB07509oiK4ZySap/wEPlzCNcemI5sDc7zgOk/nGam1"},
	{"openwall", "$6$rounds=1400$$hvEyiI73KGAspL6Py79ITZX5EFItROUEOP47kenmSNpf5g0UI/jQSoLgpJDxYAylP/Jw92HcRni8neM6WibjO0"},
	{"openwall", "$5$saltstring$JNVsvG0goZ2yF/sn/dTzqSFWotvpA8HaKl98Jsu.xq/"},
	{"openwall", "$5$rounds=1400$another$6Z7o42CdNOGa/5tmfu2hYrPn2r43p9/VuvAeGAYFk/5"},
	{"openwall", "$1$abcdefgh$rhXHNwjuZXTTzv32v1LRD/"},
	{"", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"},
	{"\xff\xfe pass:word", "$1$ab$nDLz6fSXUIXaKVZZ05cDV1"},
	{"openwall", "$1$$F2wfPc5X08w84drz3ZK8U1"},
	{"openwall", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe"},
	{"openwall", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe"},
	{"openwall", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe"},
	{"\xff\xfe pass:word", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.0k7qunpqjWpXKQxozDIeXE3vnVI.HGK"},
	{strings.Repeat("x", 80), "$y$j9T$AAt9R641xPvCI9nXw1HHW/$g0BWWiiN0xFoIle9jEsDw.s02D8Tb79gdoIMDjcpdL3"},
	{strings.Repeat("x", 80), "$6$saltstring$eKlwYdh2DQgzGVZNTRbDdwNSIU.yzEhS/nALlBafFhL/T/Kf8GRhO5otN52zAGQKa229QbUXUyFPbCMzMf2HX0"},
	{strings.Repeat("x", 80), "$5$saltstring$jZdy2gGq0OUSP01AhBb7yOgBitgAZa7g8axx/wgsXj5"},
	{strings.Repeat("x", 80), "$1$abcdefgh$06aFAnVfqM7H4kDMwscRI1"},
	{strings.Repeat("x", 80), "$2b$05$CCCCCCCCCCCCCCCCCCCCC.D7RDOYXakZhsFmh/LdqQNx0kQ424AFS"},
}

func TestHashes(t *testing.T) {
	for _, tt := range encoded {
		h, ok, err := parseHash(tt.hash)
		if !ok || err != nil {
			t.Errorf("parseHash(%s): %v, %v", tt.hash, ok, err)
			continue
		}
		if !h.matches([]byte(tt.password)) {
			t.Errorf("%s does not match %q", tt.hash, tt.password)
		}
		if h.matches([]byte("y" + tt.password)) {
			t.Errorf("%s matches %q", tt.hash, "y"+tt.password)
		}
	}
}

// What nobody can log in with, and what cannot be told.
func TestNoHashes(t *testing.T) {
	for _, s := range []string{"", "!", "*", "!!", "*LK*", "x", "!" + encoded[0].hash, "*" + encoded[7].hash, "NP", "secret"} {
		if _, ok, err := parseHash(s); ok || err != nil {
			t.Errorf("parseHash(%q) = %v, %v", s, ok, err)
		}
	}
	const key43 = "cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A"
	const key86 = key43 + key43
	for _, s := range []string{
		"$", "$y", "$y$", "$$", "$z$a$b", "abfA.NcFrhyao", "$2x$05$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe",
		"$gy$j9T$AAt9R641xPvCI9nXw1HHW/$" + key43, "$7$CU..../....abcdefgh$" + key43,
		"$y$jzz$AAt9R641xPvCI9nXw1HHW/$" + key43, // 2^64 bytes and more
		"$y$jET$AAt9R641xPvCI9nXw1HHW/$" + key43, // 512 MiB
		"$y$j.T$AAt9R641xPvCI9nXw1HHW/$" + key43, "$y$j9$$" + key43, "$y$j9T$A$" + key43, "$y$j9T$~~~~$" + key43, "$y$.9T$$" + key43,
		"$y$j9T$AAt9R641xPvCI9nXw1HHW/$" + key43[1:], "$y$j9T$AAt9R641xPvCI9nXw1HHW/", "$y$j9T$$" + key43 + "$",
		"$y$j9T$" + strings.Repeat("/", 88) + "$" + key43,
		"$6$rounds=999$s$" + key86, "$6$rounds=1000001$s$" + key86, "$6$rounds=999999999$s$" + key86, "$6$rounds=05000$s$" + key86,
		"$6$rounds=$s$" + key86, "$6$rounds=1e5$s$" + key86, "$6$rounds=5000", "$6$s$", "$6$" + strings.Repeat("s", 17) + "$" + key86, "$5$s$" + key86, "$6$s$" + key86[1:] + ":",
		"$2b$31$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe", "$2b$03$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe",
		"$2b$5$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe", "$2b$05$C", "$2b$05", "$1$abcdefghi$rhXHNwjuZXTTzv32v1LRD/", "$1$a$b",
	} {
		if h, ok, err := parseHash(s); ok || err != errUnsupported {
			t.Errorf("parseHash(%q) = %q, %v, %v", s, h.key, ok, err)
		}
	}
}

func TestKinds(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "!": "", "$": "", "$y": "", "$y$": "$y$", "$y$j9T": "$y$", "$y$j9T$a$b": "$y$j9T$", "$y$j9T$$b": "$y$j9T$",
		"$6$a$b": "$6$", "$6$rounds=1000$a$b": "$6$rounds=1000$", "$2b$05$abc": "$2b$05$", "$1$a$b": "$1$", "ab": "",
	} {
		if got := kindOf(s); got != want {
			t.Errorf("kindOf(%q) = %q, want %q", s, got, want)
		}
	}
}

// FuzzHash: whatever a store holds, it is bounded work; the wrong password does
// not match; and hashes of one kind differ in salt and key only.
func FuzzHash(f *testing.F) {
	for _, tt := range encoded {
		f.Add(tt.hash)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, ok, err := parseHash(s)
		if !ok || err != nil {
			return
		}
		if s[0] != '$' || !strings.HasSuffix(s, string(h.key)) || len(h.key) < 22 {
			t.Errorf("%q: key %q", s, h.key)
		}
		switch kindOf(s) {
		case "$1$", "$5$", "$6$", "$y$j75$", "$2b$05$":
		default:
			return // may be too slow to try thousands
		}
		if h.matches([]byte("no password that anybody has")) {
			t.Errorf("%q matches", s)
		}
	})
}

// The work that each bound allows; run it after changing one.
func BenchmarkWorst(b *testing.B) {
	for name, s := range map[string]string{
		"yescrypt": "$y$jCT$AAt9R641xPvCI9nXw1HHW/$cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A",
		"usual":    encoded[0].hash,
		"sha512":   "$6$rounds=1000000$s$" + encoded[7].hash[len("$6$saltstring$"):],
		"bcrypt":   "$2b$15$CCCCCCCCCCCCCCCCCCCCC.A1/EoIsDTLj7enfdovGiKKHfeQtGsqe",
	} {
		b.Run(name, func(b *testing.B) {
			h, ok, err := parseHash(s)
			if !ok || err != nil {
				b.Fatal(ok, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				h.matches([]byte("x"))
			}
		})
	}
}
