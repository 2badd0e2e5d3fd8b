package problem

import "strconv"

// Path is the JSON path of a part of a request, such as input[3].text_pair. The
// parser makes one for each value and formats it for an error only. The zero
// Path is the request itself.
type Path struct {
	list    string
	element int    // index + 1 of an element of list; 0: list itself
	member  string // below the list or element; empty: none
}

// Field is the path of a member of the request object.
func Field(name string) Path { return Path{list: name} }

// Element is the path of element i of p. The path p must come from [Field].
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

// String formats the path, as in input[3].text_pair. It is empty for the request
// itself.
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

// Values names a member of the request object that holds one value or a list of
// them.
type Values struct {
	Name   string
	Listed bool // the member is a list
}

// At is the path of value i.
func (v Values) At(i int) Path {
	if !v.Listed {
		return Field(v.Name)
	}
	return Field(v.Name).Element(i)
}
