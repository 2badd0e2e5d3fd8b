package problem

import "strconv"

// Path names a part of a request, such as input[3].text_pair. It is made for
// each text and written out only for an error. The zero Path is the request
// itself.
type Path struct {
	list    string
	element int    // 1 + the index of an element; 0: list itself
	member  string // empty: of none
}

// Field is the path of a member of the request itself.
func Field(name string) Path { return Path{list: name} }

// Element is the path of the i-th element of p, which is a member of the
// request itself.
func (p Path) Element(i int) Path { return Path{list: p.list, element: 1 + i} }

// Member is the path of a member of the object at p.
func (p Path) Member(name string) Path {
	if p.list == "" {
		return Field(name)
	}
	if p.member != "" {
		name = p.member + "." + name
	}
	return Path{p.list, p.element, name}
}

func (p Path) String() string {
	s := p.list
	if p.element > 0 {
		s += "[" + strconv.Itoa(p.element-1) + "]"
	}
	if p.member != "" {
		if s != "" {
			s += "."
		}
		s += p.member
	}
	return s
}

// Values are the values of a member that is one value or a list of them.
type Values struct {
	Name   string
	Listed bool // the member is a list
}

// At is the path of the i-th value.
func (v Values) At(i int) Path {
	if !v.Listed {
		return Field(v.Name)
	}
	return Field(v.Name).Element(i)
}
