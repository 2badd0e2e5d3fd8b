package server

import "strconv"

// place is a part of a request, such as input[3].text_pair. It is made for
// each text and written out only for an error.
type place struct {
	list   string
	index  int    // whole: of list itself
	member string // empty: of none
}

const whole = -1

// named is the place of a member of the request itself.
func named(name string) place { return place{list: name, index: whole} }

// elementOf is the place of the i-th element of a member, or of the member
// itself if it was not a list.
func elementOf(list string, listed bool, i int) place {
	if !listed {
		i = whole
	}
	return place{list: list, index: i}
}

func (p place) String() string {
	s := p.list
	if p.index != whole {
		s += "[" + strconv.Itoa(p.index) + "]"
	}
	if p.member != "" {
		if s != "" {
			s += "."
		}
		s += p.member
	}
	return s
}
