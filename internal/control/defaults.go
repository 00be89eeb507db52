package control

import "goqmail/internal/token822"

// A HostError is a control file, or what stands for it, whose value is no host
// name that tokens can be made of.
type HostError struct {
	Text string // the value after what would stand before it in an address: ".x", "@x"
}

// Error names the value.
func (e *HostError) Error() string { return "bad host name in control file: " + e.Text }

// AddressDefaults is what completes the addresses that users write, in headers,
// alias files and the like: defaulthost, defaultdomain and plusdomain, each
// falling back on me and then on its own name. override, which may be nil, is
// given each file's name and value and returns the value that counts; the file
// is read in any case. The error is a *HostError or that of reading a file.
// Spec: spec/inject.md sections 1 and 5.
func (r *Reader) AddressDefaults(override func(file, value string) string) (token822.Defaults, error) {
	var d token822.Defaults
	for _, h := range [...]struct {
		file, mark string
		to         *token822.List
	}{{"defaultdomain", ".", &d.Domain}, {"defaulthost", "@", &d.Host}, {"plusdomain", ".", &d.Plus}} {
		value, _, err := r.LineOrMe(h.file, h.file)
		if err != nil {
			return d, err
		}
		if override != nil {
			value = override(h.file, value)
		}
		if *h.to, err = token822.Parse(value); err != nil {
			return d, &HostError{h.mark + value}
		}
	}
	return d, nil
}

// hostVariables override the control files that complete addresses.
var hostVariables = map[string]string{
	"defaultdomain": "QMAILDEFAULTDOMAIN", "defaulthost": "QMAILDEFAULTHOST", "plusdomain": "QMAILPLUSDOMAIN",
}

// EnvironmentFirst is an override for AddressDefaults with which the variables
// QMAILDEFAULTDOMAIN, QMAILDEFAULTHOST and QMAILPLUSDOMAIN beat the files, as in
// qmail-inject and newaliases. Get looks a variable up.
func EnvironmentFirst(get func(name string) (value string, ok bool)) func(file, value string) string {
	return func(file, value string) string {
		if v, ok := get(hostVariables[file]); ok {
			return v
		}
		return value
	}
}
