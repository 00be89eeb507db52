package hier

import "strings"

// isState tells whether a directory of the tree is one that a package must not
// carry, because the site's files are in it.
func isState(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	switch top {
	case "queue", "control", "users", "alias":
		return true
	}
	return false
}

// StateDirectories lists the home and the directories with a site's own files,
// queue included, parents first.
func StateDirectories() []Item { return directories(true) }

// PackageDirectories lists the home and the directories of what setup replaces,
// parents first.
func PackageDirectories() []Item { return directories(false) }

// directories lists the home and one of the two kinds.
func directories(state bool) []Item {
	var out []Item
	for _, it := range Directories() {
		if it.Dir == "" || isState(it.Dir) == state {
			out = append(out, it)
		}
	}
	return out
}
