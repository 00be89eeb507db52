package spawn

import (
	"goqmail/internal/conf"
	"goqmail/internal/control"
	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// Descriptors of a spawner: for each delivery the message, two for its pipe, one
// for the process or the worker that does it; and some to spare.
const (
	filesEach  = 4
	filesSpare = 64
	filesLeast = 1024 // enough for the classic 255
)

// Limit is how many deliveries a spawner runs at once: control/spawnlimit, 1 to
// pipe.SpawnMax, or if there is none what was chosen when the suite was built. It
// makes sure of the descriptors that they need; where the system refuses them the
// limit is as high as those that there are allow.
func Limit(home string) (int, error) {
	n, err := ConfiguredLimit(home)
	if err != nil {
		return 0, err
	}
	return fit(n, sys.RaiseNoFile(max(filesLeast, uint64(n)*filesEach+filesSpare))), nil
}

// fit lowers a limit for which there are not enough descriptors; but the classic
// ones stay as they were asked for.
func fit(n int, files uint64) int {
	if n <= pipe.MaxDelnum || files >= uint64(n)*filesEach+filesSpare {
		return n
	}
	if files <= pipe.MaxDelnum*filesEach+filesSpare {
		return pipe.MaxDelnum
	}
	return int((files - filesSpare) / filesEach)
}

// ConfiguredLimit is the limit as control/spawnlimit, or its absence, gives it.
func ConfiguredLimit(home string) (int, error) {
	r, err := control.OpenWithoutMe(home)
	if sys.IsNotExist(err) {
		return conf.Spawn(), nil
	}
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := r.Int("spawnlimit", conf.Spawn())
	return min(max(n, 1), pipe.SpawnMax), err
}
