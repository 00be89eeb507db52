package floorplan

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "goqmail/"

// root is the top of the project, from this package's directory.
const root = "../.."

// A file is one Go file and what it imports.
type file struct {
	path, pkg string // pkg is the directory below the root: "internal/queue"
	test      bool
	imports   []string
}

func readAll(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "build") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		g := file{path: rel, pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(path, "_test.go")}
		for _, im := range f.Imports {
			s, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			g.imports = append(g.imports, s)
		}
		out = append(out, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// room is the name of an import below internal/, or "".
func room(im string) string {
	name, ok := strings.CutPrefix(im, module+"internal/")
	if !ok {
		return ""
	}
	return name
}

// border are the packages that only floor 2 may import; time and context are
// the clock, which floor 1 has not.
func border(im string) bool {
	switch im {
	case "os", "syscall", "net", "crypto/tls", "os/signal", "os/exec", "os/user", "io/ioutil", "runtime/debug", "unsafe":
		return true
	}
	return strings.HasPrefix(im, "golang.org/x/sys/") || strings.HasPrefix(im, "net/") && im != "net/netip"
}

func TestEveryPackageHasARoom(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range readAll(t) {
		if name, ok := strings.CutPrefix(f.pkg, "internal/"); ok {
			seen[name] = true
			if r, ok := Rooms[name]; !ok || r.What == "" {
				t.Errorf("%s: package %s has no floor in floorplan.Rooms", f.path, name)
			}
		}
	}
	for name := range Rooms {
		if !seen[name] {
			t.Errorf("floorplan.Rooms has %s, which does not exist", name)
		}
	}
}

func TestImports(t *testing.T) {
	for _, f := range readAll(t) {
		name, internal := strings.CutPrefix(f.pkg, "internal/")
		if f.test || internal && Rooms[name].Floor == Tests || strings.HasPrefix(f.pkg, "test/") {
			continue
		}
		for _, im := range f.imports {
			if msg := wrong(name, internal, f.pkg, im); msg != "" {
				t.Errorf("%s imports %s: %s", f.path, im, msg)
			}
		}
	}
}

// TestKeysAreUsed: who holds a key and does not need it gives it back.
func TestKeysAreUsed(t *testing.T) {
	used := map[string]bool{} // HOLDER KEY
	for _, f := range readAll(t) {
		name, _ := strings.CutPrefix(f.pkg, "internal/")
		for _, im := range f.imports {
			if !f.test {
				used[name+" "+room(im)] = true
			}
		}
	}
	for key, holders := range Keys {
		for _, h := range holders {
			if !used[h+" "+key] {
				t.Errorf("%s holds the key %s and imports it nowhere", h, key)
			}
		}
	}
}

// wrong says why a package must not import im, or "".
func wrong(name string, internal bool, pkg, im string) string {
	to := room(im)
	if r, ok := Rooms[to]; ok && r.Floor == Tests {
		return "it is for tests only"
	}
	if strings.Contains(strings.SplitN(im, "/", 2)[0], ".") {
		known := false
		for m, holders := range Modules {
			if !strings.HasPrefix(im, m) {
				continue
			}
			if known = true; holders != nil && !slices.Contains(holders, name) {
				return "only " + strings.Join(holders, ", ") + " may"
			}
		}
		if !known {
			return "the suite has no such dependency"
		}
	}
	if !internal {
		if strings.HasPrefix(pkg, "cmd/") && to != "prog" && (to == "" || Rooms[to].Floor != Program && Rooms[to].Floor != Format) {
			return "a main is one call to its program, perhaps with a constant"
		}
		return ""
	}
	floor := Rooms[name].Floor
	if holders, ok := Keys[to]; ok && !slices.Contains(holders, name) {
		return "it is a key that " + name + " does not hold"
	}
	switch {
	case border(im) && floor != System:
		return "only floor 2 imports it"
	case im == "time" && floor == Format:
		return "floor 1 has no clock"
	case to == "":
		return ""
	case Rooms[to].Floor > floor:
		return "it is on a higher floor"
	case Rooms[to].Floor == Program && to != name:
		return "no program imports another"
	}
	return ""
}

// deps lists what a binary links.
func deps(t *testing.T, binary string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "./cmd/"+binary)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps ./cmd/%s: %v", binary, err)
	}
	return strings.Fields(string(out))
}

func TestLightBinaries(t *testing.T) {
	for _, b := range Light {
		d := deps(t, b)
		for _, h := range Heavy {
			if slices.Contains(d, h) {
				t.Errorf("%s links %s", b, h)
			}
		}
		if slices.Contains(NoSignal, b) && slices.Contains(d, "os/signal") {
			t.Errorf("%s links os/signal", b)
		}
	}
}

// TestLinked: what a module costs at the start of a program, only the programs
// that are named pay.
func TestLinked(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./cmd/...")
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list ./cmd/...: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		binary, deps, _ := strings.Cut(strings.TrimSpace(line), " ")
		binary = filepath.Base(binary)
		for m, allowed := range Linked {
			links := strings.Contains(" "+deps, " "+m)
			if links != slices.Contains(allowed, binary) {
				t.Errorf("%s links %s: %v, floorplan.Linked says otherwise", binary, m, links)
			}
		}
	}
}

func TestQueueHoldsNoKey(t *testing.T) {
	for _, im := range deps(t, "qmail-queue") {
		if _, key := Keys[room(im)]; key {
			t.Errorf("qmail-queue, setuid, reaches %s", im)
		}
	}
}
