package mailtools

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestGlance(t *testing.T) {
	long := strings.Repeat("x", glanceSize+10)
	tests := []struct {
		name, in string
		want     glance
	}{
		{"all", "Return-Path: <s@x>\nDelivered-To: joe@y\nFrom: S <s@x>\nSubject: hello\n\nbody\nmore\n",
			glance{"From: S <s@x>", "<s@x>", "joe@y", []byte("hello\n\nbody\nmore\n")}},
		{"cut", "Subject: 0123456789\n\n01234567890123456789", glance{text: []byte("0123456789\n\n01234567")}},
		{"no subject", "A: b\n\nbody", glance{text: []byte("\nbody\n")}},
		{"no header", "body\nA: b\n", glance{text: []byte("\nbody\nA: b\n")}},
		{"no body", "subject:x", glance{text: []byte("x\n")}},
		{"the last of each", "From: a\nReturn-Path: <1>\nDelivered-To: a\nSubject: 1\nFROM: b\nReturn-Path: <2>\nDelivered-To: b\nSubject: 2\n\n",
			glance{"FROM: b", "<2>", "b", []byte("1\n2\n\n")}},
		{"folded", "Subject: a\n\tb\nFrom:\n c\n", glance{from: "From:\n c", text: []byte("a\n\tb\n")}},
		{"blank", "Return-Path: \nDelivered-To:\nFrom: \n\n", glance{text: []byte("\n")}},
		{"empty", "", glance{}},
		{"From_ line", "From x Mon\nSubject: y\n\n", glance{text: []byte("y\n\n")}},
		{"nothing but header", "A: " + long, glance{}},
		{"endless subject", "Subject: " + long, glance{text: []byte(long[:20])}},
		{"endless body", "\n" + long, glance{text: []byte("\n" + long[:19])}},
	}
	for _, tt := range tests {
		var got glance
		err := got.take(strings.NewReader(tt.in), 20)
		if err != nil || got.from != tt.want.from || got.sender != tt.want.sender ||
			got.recipient != tt.want.recipient || string(got.text) != string(tt.want.text) {
			t.Errorf("%s: %.200q, %v, want %.200q", tt.name, got, err, tt.want)
		}
	}
	var g glance
	if err := g.take(io.MultiReader(strings.NewReader("A: b\n"), iotest.ErrReader(errors.New("no"))), 20); err == nil {
		t.Error("take of what cannot be read: no error")
	}
}
