package header

import "testing"

func TestReceived(t *testing.T) {
	const by = ")\n  by mx with SMTP; 20 Nov 2026 19:03:56 -0000\n"
	tests := []struct {
		name string
		r    Received
		want string
	}{
		{"nothing known", Received{RemoteIP: "unknown", RemoteHost: "unknown"}, "Received: from unknown (unknown" + by},
		{"no HELO", Received{RemoteIP: "1.2.3.4", RemoteHost: "c.x", Helo: "y"}, "Received: from c.x (1.2.3.4" + by},
		{"HELO", Received{RemoteIP: "unknown", RemoteHost: "unknown", HasHelo: true, Helo: "client.x"}, "Received: from unknown (HELO client.x) (unknown" + by},
		{"empty HELO", Received{RemoteIP: "unknown", RemoteHost: "unknown", HasHelo: true}, "Received: from unknown (HELO ) (unknown" + by},
		{"the same HELO", Received{RemoteIP: "1.2.3.4", RemoteHost: "c.X", HasHelo: true, Helo: "C.x"}, "Received: from c.X (1.2.3.4" + by},
		{"ident", Received{RemoteIP: "1.2.3.4", RemoteHost: "client.x", HasInfo: true, RemoteInfo: "us er\nx"}, "Received: from client.x (us?er?x@1.2.3.4" + by},
		{"empty ident", Received{RemoteIP: "::1", RemoteHost: "c", HasInfo: true}, "Received: from c (@::1" + by},
		{
			"bytes", Received{RemoteIP: "1", RemoteHost: "aZ09.@%+/=:-[]", HasHelo: true, Helo: "(\\\"_~\x00\r\n\xe9é,;<>"},
			"Received: from aZ09.@%+/=:-[] (HELO ???????????????) (1" + by,
		},
	}
	for _, tt := range tests {
		tt.r.Protocol, tt.r.Local = "SMTP", "mx"
		if got := string(tt.r.Append(nil, 1795201436)); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}
