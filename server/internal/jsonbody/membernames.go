package jsonbody

import "slices"

// memberNames finds a name that an object has twice. The names of usual objects are
// compared as they come, without memory of their own; those of larger ones are sorted
// at the end.
type memberNames struct {
	few   [8]string
	all   []string // nil: few has all
	count int
}

// add adds a name. It returns false if the name is known to be there already.
func (m *memberNames) add(name string) bool {
	switch n := m.count; {
	case n < len(m.few):
		if slices.Contains(m.few[:n], name) {
			return false
		}
		m.few[n] = name
	case n == len(m.few):
		m.all = append(append(m.all, m.few[:]...), name)
	default:
		m.all = append(m.all, name)
	}
	m.count++
	return true
}

// repeated returns a name that was added twice although add returned true.
func (m *memberNames) repeated() (name string, found bool) {
	slices.Sort(m.all)
	for i := 1; i < len(m.all); i++ {
		if m.all[i] == m.all[i-1] {
			return m.all[i], true
		}
	}
	return "", false
}
