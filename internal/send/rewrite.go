package send

import (
	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/queue"
)

// Routes decide over which channel a recipient goes and under what address. A
// value is never changed: SIGHUP makes a new one. Spec: spec/send.md section 4.
type routes struct {
	envnoathost string
	locals      control.Map
	percenthack control.Map
	virtual     control.Map // keys: box@dom.ain, dom.ain, .ain, ""
}

// rewrite says where a recipient goes and as what it is stored.
func (r *routes) rewrite(rcpt string) (queue.Channel, string) {
	i := address.LastIndex(rcpt, '@')
	if i < 0 {
		i = len(rcpt)
		rcpt += "@" + r.envnoathost
	}
	for r.percenthack.Has(rcpt[i+1:]) {
		j := address.LastIndex(rcpt[:i], '%')
		if j < 0 {
			break
		}
		rcpt = rcpt[:j] + "@" + rcpt[j+1:i]
		i = j
	}
	_, host, _ := address.SplitLast(rcpt)
	if r.locals.Has(host) {
		return queue.ChanLocal, rcpt
	}
	prepend, ok := r.virtual.Lookup(rcpt)
	if !ok {
		prepend, ok = r.domain(host)
	}
	if !ok || prepend == "" { // an empty one is an exception: remote after all
		return queue.ChanRemote, rcpt
	}
	return queue.ChanLocal, prepend + "-" + rcpt
}

// domain finds a host in virtualdomains: itself, its suffixes that begin with a
// dot, longest first, then the empty key. The first hit ends the search.
func (r *routes) domain(host string) (prepend string, ok bool) {
	address.Suffixes(host, func(key string) bool {
		prepend, ok = r.virtual.Lookup(key)
		return !ok
	})
	if !ok {
		prepend, ok = r.virtual.Lookup("")
	}
	return prepend, ok
}

// original is the address to show in a bounce: without what rewrite put before
// it. C qmail does not know the keys that are whole addresses here, and shows
// the prepend of those.
func (r *routes) original(rcpt string) string {
	_, host, ok := address.SplitLast(rcpt)
	if !ok {
		return rcpt
	}
	for i := 0; i < len(rcpt)-len(host); i++ {
		if rcpt[i] != '-' {
			continue
		}
		if prepend, ok := r.virtual.Lookup(rcpt[i+1:]); ok && prepend != "" && address.EqualFold(prepend, rcpt[:i]) {
			return rcpt[i+1:]
		}
	}
	if prepend, _ := r.domain(host); prepend != "" {
		if n := len(prepend); len(rcpt) > n && rcpt[:n] == prepend && rcpt[n] == '-' {
			return rcpt[n+1:]
		}
	}
	return rcpt
}
