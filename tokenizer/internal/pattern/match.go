package pattern

import (
	"sync"
	"unicode/utf8"
)

// A memory is what a search remembers about one text: the choices that were tried. Whether a choice
// leads to a match depends only on its place in the text. So a choice that was tried before, in this
// search or in one from an earlier place, leads to none, and a text takes linear time.
type memory struct {
	tried []uint64 // one bit for each place and split
	spans []span   // of each span instruction: the last run that it found
	stack []state
	steps int // instructions so far, for tests
}

// A span is a run of characters of a set, with no such character after it.
type span struct{ from, to int }

// A state is an instruction and a place in the text.
type state struct{ at, place int }

// memories holds those of small texts. All programs share it.
var memories sync.Pool

// retainedWords is the size in words of tried from which a memory is not kept.
const retainedWords = 1 << 13

// each calls do for each match in text, see [Pattern.Each].
func (p *program) each(text []byte, do func(from, to int) bool) {
	m, ok := memories.Get().(*memory)
	if !ok {
		m = &memory{}
	}
	p.search(m, text, do)
	if cap(m.tried) <= retainedWords {
		memories.Put(m)
	}
}

// search is each with a memory.
func (p *program) search(m *memory, text []byte, do func(from, to int) bool) {
	words := ((len(text)+1)*p.splits + 63) / 64
	if cap(m.tried) < words {
		m.tried = make([]uint64, words)
	} else {
		m.tried = m.tried[:words]
		clear(m.tried)
	}
	m.spans = append(m.spans[:0], make([]span, p.spans)...)
	for from := 0; from < len(text); {
		if p.starts[text[from]] {
			if to := p.matchEnd(m, text, from); to > from {
				if !do(from, to) {
					break
				}
				p.forget(m, to)
				from = to
				continue
			}
		}
		_, size := utf8.DecodeRune(text[from:])
		from += size
	}
}

// forget clears what was tried at a place: the choices there may have led to the match that ends there.
// All choices at later places failed.
func (p *program) forget(m *memory, place int) {
	for bit := place * p.splits; bit < (place+1)*p.splits; bit++ {
		m.tried[bit/64] &^= 1 << (bit % 64)
	}
}

// matchEnd returns the end of the match at a place, -1 if there is none. If there are several, it is the
// first in the order of choices.
func (p *program) matchEnd(m *memory, text []byte, place int) int {
	stack := append(m.stack[:0], state{p.start, place})
	end := -1
	for len(stack) > 0 && end < 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for at, place, ok := s.at, s.place, true; ok; {
			m.steps++
			switch i := &p.code[at]; i.op {
			case opMatch:
				end, ok = place, false
				continue
			case opSplit:
				bit := place*p.splits + i.number
				if m.tried[bit/64]&(1<<(bit%64)) != 0 {
					ok = false
					continue
				}
				m.tried[bit/64] |= 1 << (bit % 64)
				stack = append(stack, state{i.other, place})
				at = i.next
			case opSpan:
				place = m.spanEnd(i, text, place)
				at = i.next
			default:
				place, ok = p.step(i, text, place)
				at = i.next
			}
		}
	}
	m.stack = stack[:0]
	return end
}

// spanEnd returns the end of the run of characters of a set that starts at a place. A place inside the
// last run that was found has the same end.
func (m *memory) spanEnd(i *instruction, text []byte, place int) int {
	last := &m.spans[i.number]
	if last.from <= place && place < last.to {
		return last.to
	}
	*last = span{place, place}
	for last.to < len(text) {
		r, size := utf8.DecodeRune(text[last.to:])
		if !i.set.has(r) {
			break
		}
		last.to += size
	}
	return last.to
}

// step runs an instruction that is neither a split, nor a span, nor the end. It returns the next place, and false if
// the instruction fails.
func (p *program) step(i *instruction, text []byte, place int) (int, bool) {
	switch i.op {
	case opCharacter:
		if place == len(text) {
			return place, false
		}
		r, size := utf8.DecodeRune(text[place:])
		return place + size, i.set.has(r)
	case opAhead:
		return place, p.bodyMatches(i.other, text, place) != i.not
	case opBehind:
		r, size := utf8.DecodeLastRune(text[:place])
		return place, (size > 0 && i.set.has(r)) != i.not
	case opTextStart:
		return place, place == 0
	case opTextEnd:
		return place, place == len(text)
	case opLineStart:
		return place, place == 0 || text[place-1] == '\n' && place < len(text)
	case opLineEnd:
		return place, place == len(text) || text[place] == '\n'
	default: // opWordBoundary
		before, size := utf8.DecodeLastRune(text[:place])
		after, size2 := utf8.DecodeRune(text[place:])
		return place, (size > 0 && i.set.has(before)) != (size2 > 0 && i.set.has(after)) != i.not
	}
}

// bodyMatches tells whether the body of a look-ahead matches at a place. It has no repetitions, so the
// number of steps does not depend on the text.
func (p *program) bodyMatches(at int, text []byte, place int) bool {
	for {
		switch i := &p.code[at]; i.op {
		case opMatch:
			return true
		case opSplit:
			if p.bodyMatches(i.next, text, place) {
				return true
			}
			at = i.other
		default:
			var ok bool
			if place, ok = p.step(i, text, place); !ok {
				return false
			}
			at = i.next
		}
	}
}
