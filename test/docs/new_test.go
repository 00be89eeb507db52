//go:build e2e

package docs

import (
	"os"
	"testing"

	"goqmail/internal/testkit"
)

// onNew runs f in a world without the suite and its accounts, with the project's
// sources, Go and its caches. Whoever writes there changes nothing outside.
func onNew(t *testing.T, f func(b *bed)) {
	t.Helper()
	w := world()
	w.Bare, w.Sendmail = true, false
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		w.AddSources(t, top)
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		testkit.UseSources(t)
		b := &bed{T: t, shells: map[string]*sh{}}
		b.etc()
		for _, u := range people {
			b.must(os.Mkdir(u.Home, 0o755))
			b.own(u.Home, u)
		}
		f(b)
	})
}
