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

// Pair is a base and a checkpoint tuned from it. Their tensors are matched by name
// and shape alone, for any architecture.
type Pair struct {
	base, tuned delta.Tensors

	// The tuned checkpoint calls a tensor TunedPrefix + the base's name without
	// BasePrefix. Most Hugging Face models have "bert." or the like on one side
	// only. See delta.Info.TunedName.
	BasePrefix, TunedPrefix string

	// Resized are those of shared that are tables with another number of rows in the
	// tuned checkpoint, by their names in the base, sorted.
	Resized []string

	shared []string // tensors of both, by their names in the base, sorted
	Head   []string // tensors that the base lacks, by their names in the tuned checkpoint, sorted
	Absent []string // tensors that the tuned checkpoint lacks, by their names in the base, sorted
}

// Match pairs a tuned checkpoint with its base. It tries pairs of name prefixes
// and takes the one that matches most tensors. It fails if the two have no tensor
// in common, if a shared tensor has two shapes, if a tensor that is not of floats
// differs, or if a tensor of the head has the name of another tensor of the base.
func Match(base, tuned delta.Tensors) (*Pair, error) {
	return MatchTables(base, tuned, func(string) bool { return false })
}

// MatchTables does what Match does, but a table may have another number of rows in the
// tuned checkpoint. table tells by a tensor's name in the base whether it is one.
func MatchTables(base, tuned delta.Tensors, table func(name string) bool) (*Pair, error) {
	p := &Pair{base: base, tuned: tuned}
	mostMatches, best := 0, [2]string{}
	for _, prefixes := range prefixCandidates(base, tuned) {
		matches := 0
		for _, name := range base.Names() {
			if p.BasePrefix, p.TunedPrefix = prefixes[0], prefixes[1]; p.tunedTensor(name) != nil {
				matches++
			}
		}
		if matches > mostMatches {
			mostMatches, best = matches, prefixes
		}
	}
	if mostMatches == 0 {
		return nil, fmt.Errorf("ken: match checkpoints: base and tuned checkpoint have no tensor in common: was this checkpoint tuned from this base?")
	}
	p.BasePrefix, p.TunedPrefix = best[0], best[1]
	matched := map[string]bool{} // by the name in the tuned checkpoint
	for _, name := range base.Names() {
		b, _ := base.Tensor(name)
		t := p.tunedTensor(name)
		if t == nil {
			p.Absent = append(p.Absent, name)
			continue
		}
		matched[t.Name] = true
		if !slices.Equal(b.Shape, t.Shape) {
			isTable := table(name) && b.DType.Float() && t.DType.Float()
			if !isTable || len(b.Shape) != 2 || len(t.Shape) != 2 || b.Shape[1] != t.Shape[1] || t.Shape[0] == 0 {
				return nil, fmt.Errorf("ken: match checkpoints: tensor %s: shape is %v in the base and %v in the tuned checkpoint; only the number of rows of a table may differ: was this checkpoint tuned from this base?", name, b.Shape, t.Shape)
			}
			p.Resized = append(p.Resized, name)
		}
		if b.DType.Float() && t.DType.Float() {
			p.shared = append(p.shared, name)
			continue
		}
		if b.DType != t.DType || !bytes.Equal(b.Data, t.Data) {
			return nil, fmt.Errorf("ken: match checkpoints: tensor %s differs from the base (%s in the base, %s in the tuned checkpoint): only F32, F16 and BF16 can be pruned", name, b.DType, t.DType)
		}
	}
	for _, name := range tuned.Names() {
		if matched[name] {
			continue
		}
		if _, ok := base.Tensor(name); ok {
			return nil, fmt.Errorf("ken: match checkpoints: tensor %s of the tuned checkpoint has the name of another tensor of the base (names differ by the prefixes %q and %q): a delta cannot tell them apart", name, p.BasePrefix, p.TunedPrefix)
		}
		p.Head = append(p.Head, name)
	}
	sort.Strings(p.Resized)
	sort.Strings(p.shared)
	sort.Strings(p.Head)
	sort.Strings(p.Absent)
	return p, nil
}

// TunedRows returns the number of rows of a shared tensor in the tuned checkpoint.
func (p *Pair) TunedRows(name string) int {
	rows, _ := p.tunedTensor(name).Rows()
	return rows
}

// prefixCandidates lists the pairs of prefixes to try, the base's and the tuned
// checkpoint's: no prefix, or the first component of any name.
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

// maxPrefixes bounds the search in files whose names have thousands of first
// components.
const maxPrefixes = 16

// firstComponents returns the first components of the names with their dots, as in
// "bert.", the most frequent first, at most maxPrefixes of them.
func firstComponents(c delta.Tensors) []string {
	count := map[string]int{}
	for _, name := range c.Names() {
		if i := strings.IndexByte(name, '.'); i >= 0 {
			count[name[:i+1]]++
		}
	}
	out := make([]string, 0, len(count))
	for first := range count {
		out = append(out, first)
	}
	sort.Slice(out, func(i, j int) bool {
		if count[out[i]] != count[out[j]] {
			return count[out[i]] > count[out[j]]
		}
		return out[i] < out[j]
	})
	return out[:min(len(out), maxPrefixes)]
}

// tunedTensor returns the tuned counterpart of a tensor of the base, or nil. It
// looks for the name that delta.Info.TunedName gives, which also maps the older
// names of layer norms, then for the name that differs by the prefixes alone, then
// for the older name of a layer norm.
func (p *Pair) tunedTensor(name string) *safetensors.Tensor {
	rest, ok := strings.CutPrefix(name, p.BasePrefix)
	if !ok {
		return nil
	}
	info := delta.Info{BasePrefix: p.BasePrefix, TunedPrefix: p.TunedPrefix}
	candidates := []string{info.TunedName(name), p.TunedPrefix + rest}
	if old, ok := delta.LegacyName(rest); ok {
		candidates = append(candidates, p.TunedPrefix+old)
	}
	for _, other := range candidates {
		if t, ok := p.tuned.Tensor(other); ok {
			return t
		}
	}
	return nil
}
