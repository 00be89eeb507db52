package setup

import (
	"net/netip"
	"sort"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/dns"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tree"
)

// A resolver is what config asks of DNS.
type resolver interface {
	A(host string) ([]netip.Addr, error)
	PTR(ip netip.Addr) (string, error)
}

// A network is what config learns about this machine.
type network struct {
	hostname string
	search   []string // domains of resolv.conf's search list
	dns      resolver
	local    sock.Addresses
}

// config asks DNS for the machine's names and writes the control files.
func config(p *prog.Process, args []string) int {
	const me = "config"
	if len(args) != 0 {
		return p.Die(exitUsage, me, ": usage: config")
	}
	d, err := openControl(p)
	if err != nil {
		return fatal(p, me, "open", home(p)+"/control", err)
	}
	local, err := sock.LocalAddresses()
	if err != nil {
		return fatal(p, me, "list", "interfaces", err)
	}
	resolv, err := sys.Cwd().ReadFile(dns.ConfigFile, 1<<20)
	if err != nil && !sys.IsNotExist(err) {
		return fatal(p, me, "read", dns.ConfigFile, err)
	}
	n := network{hostname: address.Lower(sys.Hostname()), search: searchList(string(resolv)), dns: dns.System(""), local: local}
	if err := n.configure(p, d); err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	return exitOK
}

// searchList reads the last "search" or "domain" line of resolv.conf.
func searchList(resolv string) []string {
	var list []string
	for _, line := range strings.Split(resolv, "\n") {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "search" || f[0] == "domain") {
			list = f[1:]
		}
	}
	return list
}

// candidates are the complete names that h may mean, in the order in which a
// resolver with a search list tries them.
func (n network) candidates(h string) []string {
	var out []string
	for _, s := range n.search {
		out = append(out, h+"."+strings.TrimSuffix(s, "."))
	}
	if strings.Contains(h, ".") {
		return append([]string{h}, out...)
	}
	return append(out, h)
}

// fullName is the name that DNS gives to the first address of the host.
func (n network) fullName() (string, bool) {
	for _, c := range n.candidates(n.hostname) {
		ips, err := n.dns.A(c)
		if err != nil || len(ips) == 0 {
			continue
		}
		name, err := n.dns.PTR(ips[0])
		return address.Lower(name), err == nil && tree.PlausibleName(name)
	}
	return "", false
}

// addresses are those of the host's full name and of all interfaces, IPv4,
// sorted as text, each once.
func (n network) addresses(fqdn string) []string {
	ips, _ := n.dns.A(fqdn) // a name without address has only the interfaces
	seen := map[string]bool{}
	var out []string
	for _, ip := range append(ips, n.local...) {
		if s := ip.Unmap().String(); ip.Unmap().Is4() && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	sort.Strings(out)
	return out
}

// configure says what it finds and writes me, defaultdomain, plusdomain, locals
// and rcpthosts. Without a name nothing is written.
func (n network) configure(p *prog.Process, d *sys.Dir) error {
	const sorry = "You will have to set up control/me yourself.\n"
	if n.hostname == "" || n.hostname == "(none)" {
		p.Say(1, "Sorry, I couldn't find your hostname.\n", sorry)
		return nil
	}
	p.Say(1, "Your hostname is ", n.hostname, ".\n")
	fqdn, ok := n.fullName()
	if !ok {
		p.Say(1, "Sorry, I couldn't find your host's canonical name in DNS.\n", sorry)
		return nil
	}
	p.Say(1, "Your host's fully qualified name in DNS is ", fqdn, ".\n")
	if err := putNames(p, d, fqdn); err != nil {
		return err
	}
	p.Say(1, "Checking local IP addresses:\n")
	locals := ""
	for _, ip := range n.addresses(fqdn) {
		name, err := n.dns.PTR(netip.MustParseAddr(ip))
		if err != nil || !tree.PlausibleName(name) {
			p.Say(1, ip, ": PTR lookup failed. I assume this address has no DNS name.\n")
			continue
		}
		p.Say(1, ip, ": Adding ", address.Lower(name), " to control/locals...\n")
		locals += address.Lower(name) + "\n"
	}
	p.Say(1, "If other domain names point to this host, add them to control/locals and,\n",
		"so that SMTP takes mail for them, to control/rcpthosts.\n",
		"Putting the same names into control/rcpthosts...\n")
	for _, file := range [...]string{"locals", "rcpthosts"} {
		if err := d.WriteFileDurable(file, "."+file+".tmp", []byte(locals), 0o644); err != nil {
			return tree.Step("write", "control/"+file, err)
		}
	}
	p.Say(1, "Now qmail will refuse to accept SMTP messages except to those hosts.\n",
		"Make sure to change rcpthosts if you add hosts to locals or virtualdomains!\n")
	return nil
}
