package docs

import (
	"fmt"
	"regexp"
	"strings"
)

// A kind says what is done with a block.
type kind string

// The kinds; see the package comment.
const (
	shell   kind = "sh"
	output  kind = "output"
	file    kind = "file"
	picture kind = "picture"
	stage   kind = "stage" // a comment
	check   kind = "check" // a comment
)

// A block is one fenced block, or comment for the test, of a page.
type block struct {
	line    int // of its first line
	kind    kind
	text    string // its lines
	user    string // shell: "root" or another
	machine string // shell, output, file, stage, check: "" is the page's own world
	fails   bool   // shell: the last command must fail
	until   bool   // shell: repeat
	path    string // file
}

// A page is what the test knows of a document.
type page struct {
	name   string
	blocks []block
	prose  []string // all lines outside blocks; the others are empty
}

var (
	filePath = regexp.MustCompile("`(/[^` ]+)`")
	userName = regexp.MustCompile(`^[a-z]+$`)
	machine  = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// parser reads a page line by line.
type parser struct {
	page
	number  int
	para    string // the last paragraph, which may go on
	inPara  bool
	open    *block
	machine string // of the last shell block, which comments and outputs follow
}

// parse reads a page. It fails on what the rules do not allow.
func parse(name, text string) (page, error) {
	p := parser{page: page{name: name}}
	for line := range strings.Lines(text) {
		p.number++
		line = strings.TrimSuffix(line, "\n")
		if err := p.add(line); err != nil {
			return p.page, fmt.Errorf("%s:%d: %w", name, p.number, err)
		}
	}
	if p.open != nil {
		return p.page, fmt.Errorf("%s:%d: the block is not closed", name, p.open.line)
	}
	return p.page, nil
}

// add takes one line.
func (p *parser) add(line string) error {
	if p.open != nil {
		p.prose = append(p.prose, "")
		return p.inside(line)
	}
	if info, ok := strings.CutPrefix(line, "```"); ok {
		p.prose = append(p.prose, "")
		return p.begin(info)
	}
	if word, ok := strings.CutPrefix(line, "<!-- "); ok && (word == string(stage) || word == string(check)) {
		p.prose = append(p.prose, "")
		p.open = &block{line: p.number + 1, kind: kind(word), user: "root", machine: p.machine}
		return nil
	}
	p.prose = append(p.prose, line)
	switch {
	case strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t"):
		return fmt.Errorf("indented: use a fenced block")
	case line == "":
		p.inPara = false
	case p.inPara:
		p.para += " " + line
	default:
		p.para, p.inPara = line, true
	}
	return nil
}

// inside takes a line of a block.
func (p *parser) inside(line string) error {
	end := "```"
	if p.open.kind == stage || p.open.kind == check {
		end = "-->"
	}
	if line != end {
		p.open.text += line + "\n"
		return nil
	}
	p.blocks = append(p.blocks, *p.open)
	p.open = nil
	return nil
}

// begin takes the words after a fence.
func (p *parser) begin(info string) error {
	words := strings.Fields(info)
	if len(words) == 0 {
		return fmt.Errorf("the block does not say what it is")
	}
	b := block{line: p.number + 1, kind: kind(words[0]), user: "root", machine: p.machine}
	switch b.kind {
	case shell:
		b.machine = ""
		for _, w := range words[1:] {
			if err := b.word(w); err != nil {
				return err
			}
		}
		words = nil
		p.machine = b.machine
	case output:
		if n := len(p.blocks); n == 0 || p.blocks[n-1].kind != shell {
			return fmt.Errorf("output of what? The block before it is not a shell's")
		}
	case file:
		m := filePath.FindAllStringSubmatch(p.para, -1)
		if len(m) == 0 || !strings.HasSuffix(p.para, ":") {
			return fmt.Errorf("the paragraph before a file names its path in backquotes and ends in a colon")
		}
		b.path = m[len(m)-1][1]
	case picture:
	default:
		return fmt.Errorf("blocks of kind %q are not known", b.kind)
	}
	if len(words) > 1 {
		return fmt.Errorf("%q says nothing to a block of kind %s", words[1], b.kind)
	}
	p.inPara = false
	p.open = &b
	return nil
}

// word takes one word after "sh".
func (b *block) word(w string) error {
	name, value, _ := strings.Cut(w, "=")
	switch {
	case name == "user" && userName.MatchString(value):
		b.user = value
	case name == "machine" && machine.MatchString(value):
		b.machine = value
	case w == "fails":
		b.fails = true
	case w == "until":
		b.until = true
	default:
		return fmt.Errorf("%q says nothing to a shell block", w)
	}
	return nil
}

// machines lists the worlds that a page needs, in order.
func (p page) machines() (list []string) {
	seen := map[string]bool{}
	for _, b := range p.blocks {
		if b.kind != picture && !seen[b.machine] {
			seen[b.machine] = true
			list = append(list, b.machine)
		}
	}
	return list
}

// proves tells whether the page says what should come of its commands.
func (p page) proves() bool {
	for _, b := range p.blocks {
		if b.kind == output || b.kind == check {
			return true
		}
	}
	return false
}

// matches tells whether text is what an output block shows, where a line's end
// is the same with a carriage return and without.
func matches(shown, text string) bool {
	var re strings.Builder
	re.WriteString(`\A`)
	for line := range strings.Lines(shown) {
		line = strings.TrimSuffix(line, "\n")
		if line == "..." {
			re.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "...") {
			if i > 0 {
				re.WriteString(`.*?`)
			}
			re.WriteString(regexp.QuoteMeta(part))
		}
		re.WriteString(`\n`)
	}
	re.WriteString(`\z`)
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return regexp.MustCompile(re.String()).MatchString(text)
}
