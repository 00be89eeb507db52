//go:build e2e

package conformance

import (
	"os"
	"testing"
)

// installed returns the installed tree to test.
func installed(t *testing.T) string {
	tree := os.Getenv("QMAIL_PREFIX")
	if tree == "" {
		t.Fatal("QMAIL_PREFIX does not name an installed tree")
	}
	return tree
}
