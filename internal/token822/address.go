package token822

import (
	"errors"
	"slices"
)

// ErrList is what Rewrite returns for tokens that are no address list: ":"
// outside a group, ";" inside one, ">" without "<".
var ErrList = errors.New("token822: bad address list")

// Rewrite groups the tokens of an address list (a field's content, without its
// name and colon) into addresses, hands each one to f, and returns the list
// with f's answers in place of the addresses.
//
// The list is read from right to left, because that needs no look-ahead: a
// group shows its ";" before its members, a route its ">" before its address.
// So f sees the last address first. It gets the tokens of one address in the
// order of the text; they are empty for "<>". It may change and keep them.
//
//   - "," ends an address. Two words with nothing between them are two
//     addresses, and a comma is put between; so it is between ">" or ";" and
//     an address.
//   - "phrase < tokens >": the tokens are an address even if there are none.
//     The phrase passes through. A "<" without ">" is a part of its address.
//   - "name : list ;" is a group. The name passes through.
//   - A comment passes through. Between angle brackets it is a part of the
//     address; elsewhere it is put to the right of the address that it stands
//     in or before.
//
// On ErrList the addresses to the right of the wrong token have been given to
// f already; qmail-inject has taken them as recipients.
func (l List) Rewrite(f func(addr List) List) (List, error) {
	g := grouper{f: f, out: make(List, 0, len(l)+len(l)/2+4)}
	err := g.list(l)
	if err != nil {
		return nil, err
	}
	slices.Reverse(g.out)
	return g.out, nil
}

// A grouper is the state of Rewrite. Both lists grow from right to left, so
// they hold the tokens in reverse.
type grouper struct {
	f       func(List) List
	out     List // the tokens that are done
	addr    List // the tokens of the address that is being read
	inGroup bool // a ";" was seen and its ":" not yet
}

// list takes all tokens of l.
func (g *grouper) list(l List) error {
	for len(l) > 0 {
		n := len(l) - 1
		t := l[n]
		switch t.Kind {
		case Comma:
			g.flush()
			g.out = append(g.out, t)
		case Comment:
			// It goes out before the address it stands in or before, which
			// is its right in the text. It does not part two words.
			g.out = append(g.out, t)
		case Semicolon:
			g.part()
			if g.inGroup {
				return ErrList
			}
			g.inGroup = true
			g.out = append(g.out, t)
		case Colon:
			g.flush()
			if !g.inGroup {
				return ErrList
			}
			g.inGroup = false
			n = g.pass(l, isNot(Comma))
			// The comma left of the group's name goes with it.
			if n > 0 {
				n--
				g.out = append(g.out, l[n])
			}
		case Right:
			var err error
			if n, err = g.bracketed(l); err != nil {
				return err
			}
		default:
			// Two words side by side are two addresses.
			if k := len(g.addr); k > 0 && t.Word() && g.addr[k-1].Word() {
				g.part()
			}
			g.addr = append(g.addr, t)
		}
		l = l[:n]
	}
	g.flush()
	return nil
}

// bracketed takes "phrase < address >" at the right end of l and returns how
// many tokens are left.
func (g *grouper) bracketed(l List) (n int, err error) {
	g.part()
	n = len(l) - 1
	g.out = append(g.out, l[n])
	for n > 0 && l[n-1].Kind != Left {
		n--
		g.addr = append(g.addr, l[n])
	}
	g.address()
	if n == 0 {
		return 0, ErrList
	}
	n--
	g.out = append(g.out, l[n])
	return g.pass(l[:n], Token.InPhrase), nil
}

// pass moves tokens from the right end of l to out as long as they are wanted,
// and returns how many are left.
func (g *grouper) pass(l List, want func(Token) bool) (n int) {
	for n = len(l); n > 0 && want(l[n-1]); n-- {
		g.out = append(g.out, l[n-1])
	}
	return n
}

// isNot returns a test for all kinds but k.
func isNot(k Kind) func(Token) bool {
	return func(t Token) bool { return t.Kind != k }
}

// InPhrase tells whether t may stand in the display name before "<". A literal
// may not: it begins an address of its own.
func (t Token) InPhrase() bool {
	switch t.Kind {
	case Atom, Quoted, Comment, At, Dot:
		return true
	}
	return false
}

// part ends the address that is being read, if there is one, and puts a comma
// left of it, because something that is no address comes next.
func (g *grouper) part() {
	if len(g.addr) > 0 {
		g.address()
		g.out = append(g.out, Token{Kind: Comma})
	}
}

// flush ends the address that is being read, if there is one. A comma is there
// already, or none is needed.
func (g *grouper) flush() {
	if len(g.addr) > 0 {
		g.address()
	}
}

// address hands the address that is being read to f and takes the answer.
func (g *grouper) address() {
	a := g.f(g.addr.Reversed())
	for i := len(a) - 1; i >= 0; i-- {
		g.out = append(g.out, a[i])
	}
	g.addr = g.addr[:0]
}

// Reversed returns a new list with the tokens of l from last to first.
func (l List) Reversed() List {
	r := make(List, len(l))
	for i, t := range l {
		r[len(l)-1-i] = t
	}
	return r
}

// Defaults completes the addresses that users write. Each list is the tokens of
// a host name.
type Defaults struct {
	Host   List // for an address without "@"
	Domain List // for a host name without "."
	Plus   List // for a host name that ends in "+"
}

// Complete rewrites one address, in this order:
//
//   - nothing, and x@[], stay as they are
//   - a source route "@a,@b:" at the front goes; without ":" nothing is left
//   - one "." and then one "@" at the end go
//   - without "@": "@" and Host are appended
//   - a last atom that ends in "+" loses it, and "." and Plus are appended
//   - right of the last "@" neither "." nor literal: "." and Domain are appended
//
// It may write into addr.
func (d *Defaults) Complete(addr List) List {
	if n := len(addr); n >= 2 && addr[n-1] == (Token{Kind: Literal}) && addr[n-2].Kind == At {
		return addr
	}
	addr = cutRoute(addr)
	addr = cutLast(addr, Dot)
	addr = cutLast(addr, At)
	if len(addr) == 0 {
		return addr
	}
	if !addr.Has(At) {
		addr = append(append(addr, Token{Kind: At}), d.Host...)
	}
	if last := &addr[len(addr)-1]; last.Kind == Atom && endsInPlus(last.Text) {
		last.Text = last.Text[:len(last.Text)-1]
		addr = append(append(addr, Token{Kind: Dot}), d.Plus...)
	}
	if !addr.qualified() {
		addr = append(append(addr, Token{Kind: Dot}), d.Domain...)
	}
	return addr
}

// cutRoute returns addr without the source route at its front (RFC 822, 6.1).
func cutRoute(addr List) List {
	if len(addr) == 0 || addr[0].Kind != At {
		return addr
	}
	i := slices.IndexFunc(addr, func(t Token) bool { return t.Kind == Colon })
	if i < 0 {
		return nil
	}
	return addr[i+1:]
}

// cutLast returns addr without its last token if that is of kind k.
func cutLast(addr List, k Kind) List {
	if n := len(addr); n > 0 && addr[n-1].Kind == k {
		return addr[:n-1]
	}
	return addr
}

// endsInPlus tells whether s has a "+" as last byte.
func endsInPlus(s string) bool { return s != "" && s[len(s)-1] == '+' }

// qualified tells whether a "." or a literal stands right of the last "@".
func (l List) qualified() bool {
	for i := len(l) - 1; i >= 0 && l[i].Kind != At; i-- {
		if l[i].Kind == Dot || l[i].Kind == Literal {
			return true
		}
	}
	return false
}
