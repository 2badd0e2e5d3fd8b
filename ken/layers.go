package ken

import (
	"regexp"
	"slices"
)

// layerName matches the tensors of numbered layers, in any architecture:
// encoder.layer.3.…, transformer.layer.3.…, h.3.…
var layerName = regexp.MustCompile(`(^|\.)(layers?|blocks?|h)\.[0-9]+\.`)

// kindOf returns what a tensor has in common with those of the other layers: its
// name with an asterisk for the layer's number. It tells whether there is one.
func kindOf(name string) (kind string, layered bool) {
	kind = layerName.ReplaceAllString(name, "${1}${2}.*.")
	return kind, kind != name
}

// layerOf returns what the tensors of a numbered layer have in common, the
// beginning of their names and an asterisk, as in encoder.layer.3.*; empty if a
// tensor is in none.
func layerOf(name string) string {
	at := layerName.FindStringIndex(name)
	if at == nil {
		return ""
	}
	return name[:at[1]] + "*"
}

func (s Scope) includes(name string) bool { return s != ScopeAttention || layerName.MatchString(name) }

// Groups returns the kinds of the matrices of numbered layers, sorted, and then
// these layers (see kindOf and layerOf).
func (p *Pair) Groups() []string {
	var kinds, layers []string
	for _, name := range p.Shared {
		if t, _ := p.Base.Tensor(name); len(t.Shape) > 1 {
			if kind, layered := kindOf(name); layered {
				kinds, layers = append(kinds, kind), append(layers, layerOf(name))
			}
		}
	}
	slices.Sort(kinds)
	slices.Sort(layers)
	return append(slices.Compact(kinds), slices.Compact(layers)...)
}
