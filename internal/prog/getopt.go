package prog

// An Options scans command-line options as getopt does in qmail's programs:
// options may be joined, a value may follow in the same word or in the next,
// the first word that does not begin with - ends them, and so does a word that
// begins with "--", which is dropped whatever follows. A lone "-" is not an
// option.
type Options struct {
	args []string // words not looked at yet
	word string   // rest of the current word
	spec string

	// Value is the value of the option that Next returned, if it takes one.
	Value string
	// Bad is the text for an option that Next returned as '?':
	// "illegal option -- z" or "option requires an argument -- f".
	Bad string
}

// NewOptions scans args (without the program's name). spec lists the letters;
// one that takes a value is followed by a colon.
func NewOptions(args []string, spec string) *Options { return &Options{args: args, spec: spec} }

// Next returns the next option's letter, '?' for a bad one, or 0 at the end.
func (o *Options) Next() byte {
	o.Value, o.Bad = "", ""
	if o.word == "" {
		if len(o.args) == 0 || len(o.args[0]) < 2 || o.args[0][0] != '-' {
			return 0
		}
		if o.args[0][1] == '-' {
			o.args = o.args[1:]
			return 0
		}
		o.word, o.args = o.args[0][1:], o.args[1:]
	}
	c := o.word[0]
	o.word = o.word[1:]
	takes, known := o.lookup(c)
	if !known {
		o.Bad = "illegal option -- " + string([]byte{c})
		return '?'
	}
	if !takes {
		return c
	}
	if o.word != "" {
		o.Value, o.word = o.word, ""
		return c
	}
	if len(o.args) == 0 {
		o.Bad = "option requires an argument -- " + string([]byte{c})
		return '?'
	}
	o.Value, o.args = o.args[0], o.args[1:]
	return c
}

// SkipWord drops the rest of the current word, for options whose value may only
// be joined.
func (o *Options) SkipWord() (rest string) {
	rest, o.word = o.word, ""
	return rest
}

// Rest is what follows the options, once Next has returned 0.
func (o *Options) Rest() []string { return o.args }

// lookup tells whether c is an option and takes a value.
func (o *Options) lookup(c byte) (takes, known bool) {
	if c == ':' {
		return false, false
	}
	for i := 0; i < len(o.spec); i++ {
		if o.spec[i] == c {
			return i+1 < len(o.spec) && o.spec[i+1] == ':', true
		}
	}
	return false, false
}
