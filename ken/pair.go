package ken

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Pair is a base and a checkpoint tuned from it, with their tensors matched by
// name and shape. Nothing about it depends on the architecture.
type Pair struct {
	Base, Tuned delta.Tensors

	// Prefixes relate the names: the tuned checkpoint calls a tensor
	// TunedPrefix + the base's name without BasePrefix ("bert." is on one side
	// only in most Hugging Face models); see delta.Info.TunedName.
	BasePrefix, TunedPrefix string

	Shared []string // names in the base of the tensors that both have, sorted
	Head   []string // names in the tuned checkpoint of those the base lacks, sorted
	Absent []string // names in the base of those the tuned checkpoint lacks, sorted
}

// Match pairs a tuned checkpoint with its base. Of the ways in which a prefix
// can relate the two sets of names it takes the one that matches most tensors.
// A tensor that both have must have the same shape in both, and tensors other
// than floats must be equal.
func Match(base, tuned delta.Tensors) (*Pair, error) {
	p := &Pair{Base: base, Tuned: tuned}
	most, best := 0, [2]string{}
	for _, prefixes := range prefixCandidates(base, tuned) {
		n := 0
		for _, name := range base.Names() {
			if p.BasePrefix, p.TunedPrefix = prefixes[0], prefixes[1]; p.tunedTensor(name) != nil {
				n++
			}
		}
		if n > most {
			most, best = n, prefixes
		}
	}
	if most == 0 {
		return nil, fmt.Errorf("ken: match checkpoints: base and tuned have no tensor in common: was this checkpoint tuned from this base?")
	}
	p.BasePrefix, p.TunedPrefix = best[0], best[1]
	matched := map[string]bool{}
	for _, name := range base.Names() {
		b, _ := base.Tensor(name)
		t := p.tunedTensor(name)
		if t == nil {
			p.Absent = append(p.Absent, name)
			continue
		}
		matched[t.Name] = true
		if !slices.Equal(b.Shape, t.Shape) {
			return nil, fmt.Errorf("ken: match checkpoints: tensor %s: the base's shape is %v, the tuned one's %v", name, b.Shape, t.Shape)
		}
		if b.DType.Float() && t.DType.Float() {
			p.Shared = append(p.Shared, name)
			continue
		}
		if b.DType != t.DType || !bytes.Equal(b.Data, t.Data) {
			return nil, fmt.Errorf("ken: match checkpoints: tensor %s: %s in the base and %s in the tuned checkpoint differ, and only F32, F16 and BF16 can be pruned", name, b.DType, t.DType)
		}
	}
	for _, name := range tuned.Names() {
		if matched[name] {
			continue
		}
		if _, ok := base.Tensor(name); ok {
			return nil, fmt.Errorf("ken: match checkpoints: tensor %s of the tuned checkpoint is not the base's of that name, which is called otherwise there: a delta cannot tell the two apart", name)
		}
		p.Head = append(p.Head, name)
	}
	sort.Strings(p.Shared)
	sort.Strings(p.Head)
	sort.Strings(p.Absent)
	return p, nil
}

// candidates lists pairs of prefixes, of the base's and the tuned checkpoint's
// names: none, and the first component of any name on either side.
func prefixCandidates(base, tuned delta.Tensors) [][2]string {
	out := [][2]string{{"", ""}}
	baseFirst, tunedFirst := firstComponents(base), firstComponents(tuned)
	for _, t := range tunedFirst {
		out = append(out, [2]string{"", t})
	}
	for _, b := range baseFirst {
		out = append(out, [2]string{b, ""})
	}
	for _, b := range baseFirst {
		for _, t := range tunedFirst {
			if b != t {
				out = append(out, [2]string{b, t})
			}
		}
	}
	return out
}

// maxPrefixes bounds the search for files with thousands of first components.
const maxPrefixes = 16

func firstComponents(c delta.Tensors) []string {
	seen := map[string]int{}
	for _, name := range c.Names() {
		if i := strings.IndexByte(name, '.'); i >= 0 {
			seen[name[:i+1]]++
		}
	}
	out := make([]string, 0, len(seen))
	for first := range seen {
		out = append(out, first)
	}
	sort.Slice(out, func(i, j int) bool {
		if seen[out[i]] != seen[out[j]] {
			return seen[out[i]] > seen[out[j]]
		}
		return out[i] < out[j]
	})
	return out[:min(len(out), maxPrefixes)]
}

// tuned returns the tuned counterpart of the base's tensor, or nil: the tensor
// of the name that a delta gives it, or the one that differs from it by the
// prefix alone.
func (p *Pair) tunedTensor(name string) *safetensors.Tensor {
	rest, ok := strings.CutPrefix(name, p.BasePrefix)
	if !ok {
		return nil
	}
	info := delta.Info{BasePrefix: p.BasePrefix, TunedPrefix: p.TunedPrefix}
	for _, other := range []string{info.TunedName(name), p.TunedPrefix + rest} {
		if t, ok := p.Tuned.Tensor(other); ok {
			return t
		}
	}
	return nil
}
