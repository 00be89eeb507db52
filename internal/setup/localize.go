package setup

import (
	"bytes"

	"goqmail/internal/conf"
	"goqmail/internal/hier"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// defaultHome stands for the home in the start scripts and manual pages of the
// build tree.
const defaultHome = "/var/qmail"

// maxText is the size in bytes up to which a script or page is read.
const maxText = 16 << 20

// bootDir has the scripts and files that start the suite, below the home and in
// the build tree. They name accounts.
const bootDir = "boot"

// bootAccounts are the words that stand for accounts in the files of bootDir.
func bootAccounts() map[string]string {
	return map[string]string{
		"qmaild": role.Daemon.Name(), "qmaill": role.Log.Name(), "nofiles": role.Nofiles.Name(),
	}
}

// literal tells whether the item is installed byte for byte: what go build
// made, and scripts that find their home by themselves.
func literal(it hier.Item) bool { return it.Type == hier.Program && top(it.Dir) != bootDir }

// localText is a start script, manual page or document with the home, and below
// boot the accounts, that conf-* name.
func localText(source string) ([]byte, error) {
	b, err := sys.Cwd().ReadFile(source, maxText)
	if err != nil {
		return nil, err
	}
	b = bytes.ReplaceAll(b, []byte(defaultHome), []byte(conf.Home()))
	if top(source) == bootDir {
		b = replaceWords(b, bootAccounts())
	}
	return b, nil
}

// replaceWords replaces whole words, in one pass.
func replaceWords(b []byte, by map[string]string) []byte {
	var out []byte
	for len(b) > 0 {
		n := 0
		for n < len(b) && wordByte(b[n]) {
			n++
		}
		if word, ok := by[string(b[:n])]; ok {
			out = append(out, word...)
		} else {
			out = append(out, b[:n]...)
		}
		if b = b[n:]; len(b) > 0 {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// wordByte tells whether c can be inside an account or program name.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
