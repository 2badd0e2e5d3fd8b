package ken

import (
	"regexp"
	"slices"
)

// layerName matches the names of tensors in numbered layers, in any architecture:
// encoder.layer.3.…, transformer.layer.3.…, h.3.…
var layerName = regexp.MustCompile(`(^|\.)(layers?|blocks?|h)\.[0-9]+\.`)

// kindOf returns the tensor's name with an asterisk in place of the layer's number,
// which is the same for the matching tensors of all layers, as in
// encoder.layer.*.output.dense.weight. It also reports whether the tensor is in a
// numbered layer.
func kindOf(name string) (kind string, layered bool) {
	kind = layerName.ReplaceAllString(name, "${1}${2}.*.")
	return kind, kind != name
}

// layerOf returns the pattern that all tensors of the tensor's layer share, as in
// encoder.layer.3.*; it is empty if the tensor is in no numbered layer.
func layerOf(name string) string {
	at := layerName.FindStringIndex(name)
	if at == nil {
		return ""
	}
	return name[:at[1]] + "*"
}

// includes reports whether the scope contains the tensor of that name.
func (s Scope) includes(name string) bool { return s != ScopeAttention || layerName.MatchString(name) }

// Groups returns the groups of matrices that can have a factor of their own (see
// [Options.Factors]): first the matching matrices of all layers, as in
// encoder.layer.*.output.dense.weight, then all matrices of one layer, as in
// encoder.layer.3.*; each list is sorted.
func (p *Pair) Groups() []string {
	var kinds, layers []string
	for _, name := range p.shared {
		if t, _ := p.base.Tensor(name); len(t.Shape) > 1 {
			if kind, layered := kindOf(name); layered {
				kinds, layers = append(kinds, kind), append(layers, layerOf(name))
			}
		}
	}
	slices.Sort(kinds)
	slices.Sort(layers)
	return append(slices.Compact(kinds), slices.Compact(layers)...)
}
