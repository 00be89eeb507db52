//go:build e2e

package install_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An image is what a stage of the Containerfile makes: a root directory, and what
// engines are told about it.
type image struct {
	dir                   string
	env, entrypoint, args []string
	volumes               []string
	stopSignal            string
	cwd                   string
}

// bases are the images that the recipe begins with. The machine stands for those
// that have an operating system: it has Go, and a shell.
var bases = map[string]string{"golang:1.26": "/mnt/machine", "debian:bookworm-slim": "/mnt/machine", "scratch": ""}

// buildRecipe does what a container engine does with the Containerfile, without
// one: each stage is an overlay, RUN runs in it, COPY copies and gives
// everything to root, as engines may. It returns the stages by name; the last
// one is "".
func buildRecipe(t *testing.T) map[string]*image {
	t.Helper()
	text, err := os.ReadFile(src + "/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]*image{}
	var now *image
	for _, line := range strings.Split(string(text), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		if strings.HasPrefix(word, "#") {
			continue
		}
		switch word {
		case "":
		case "FROM":
			now = from(t, images, strings.Fields(rest))
		case "WORKDIR":
			now.cwd = rest
			must(t, "/", "mkdir", "-p", now.dir+rest)
		case "COPY":
			now.copy(t, images, strings.Fields(rest))
		case "RUN":
			argv := list(rest)
			if argv == nil {
				argv = []string{"/bin/sh", "-c", rest}
			}
			now.run(t, argv...)
		case "ENV":
			now.env = append(now.env, rest)
		case "ENTRYPOINT":
			now.entrypoint = list(rest)
		case "CMD":
			now.args = list(rest)
		case "VOLUME":
			now.volumes = list(rest)
		case "STOPSIGNAL":
			now.stopSignal = rest
		case "EXPOSE":
		default:
			t.Fatalf("Containerfile: %s", line)
		}
	}
	return images
}

// list reads the form with brackets; nil if it is not that.
func list(s string) (words []string) {
	if json.Unmarshal([]byte(s), &words) != nil {
		return nil
	}
	return words
}

// from begins a stage: FROM BASE [AS NAME].
func from(t *testing.T, images map[string]*image, words []string) *image {
	t.Helper()
	lower, ok := bases[words[0]]
	if !ok {
		t.Fatalf("Containerfile: image %s is not known", words[0])
	}
	name := ""
	if len(words) == 3 {
		name = words[2]
	}
	im := &image{dir: "/tmp/image/" + name + "stage", cwd: "/"}
	images[name] = im
	if lower == "" {
		must(t, "/", "mkdir", "-p", im.dir)
		return im
	}
	im.dir = newRoot(t, name+"stage").dir
	for _, cache := range []string{"/tmp/gocache", "/tmp/gomod"} { // no network here
		must(t, "/", "mkdir", im.dir+cache)
		must(t, "/", "mount", "--bind", cache, im.dir+cache)
	}
	return im
}

// copy is COPY [--from=STAGE] SOURCE TARGET, from the sources without a stage.
func (im *image) copy(t *testing.T, images map[string]*image, words []string) {
	t.Helper()
	base := src
	if stage, ok := strings.CutPrefix(words[0], "--from="); ok {
		base, words = images[stage].dir, words[1:]
	}
	target := words[1]
	if !strings.HasPrefix(target, "/") {
		target = filepath.Join(im.cwd, target)
	}
	source := filepath.Join(base, words[0])
	if st, err := os.Stat(source); err == nil && st.IsDir() {
		// without --no-preserve the set-user-id bit would be kept, which engines
		// need not do; directories that are links in the target stay links
		must(t, "/", "sh", "-c", "cd "+source+` && tar --exclude=./build --exclude=./.git --owner=0 --group=0 -cf - . | tar --keep-directory-symlink -xpf - -C `+im.dir+target)
		return
	}
	must(t, "/", "cp", source, im.dir+target)
}

// run runs a command in the stage.
func (im *image) run(t *testing.T, argv ...string) {
	t.Helper()
	cmd := exec.Command("/usr/bin/env", append([]string{"-C", im.cwd}, argv...)...)
	if _, err := os.Stat(im.dir + "/usr/bin/env"); err != nil {
		cmd = exec.Command(argv[0], argv[1:]...)
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), im.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: im.dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("RUN %q: %v\n%s", argv, err, out)
	}
}
