package netstring

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestExitCode(t *testing.T) {
	ours := Trouble{io.ErrNoProgress}
	tests := []struct {
		err  error
		want int
	}{
		{nil, ExitEnd}, {io.EOF, ExitEnd}, {io.ErrUnexpectedEOF, ExitEnd},
		{ErrSyntax, ExitSyntax}, {fmt.Errorf("length: %w", ErrSyntax), ExitSyntax},
		{ErrTooLarge, ExitTrouble}, {fmt.Errorf("length: %w", ErrTooLarge), ExitTrouble},
		{ours, ExitTrouble}, {fmt.Errorf("queue: %w", ours), ExitTrouble}, {Trouble{ErrSyntax}, ExitTrouble},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
	if !errors.Is(ours, io.ErrNoProgress) || ours.Error() != io.ErrNoProgress.Error() {
		t.Errorf("%v hides its error", ours)
	}
}
