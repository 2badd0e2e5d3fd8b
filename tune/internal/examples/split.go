package examples

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"

	"kenserve/models"
)

// minSplit is the number of different texts from which a class gives one to the dev set.
const minSplit = 3

// defaultDevShare returns the share of the dev set for a number of texts.
func defaultDevShare(texts int) float64 {
	if texts < 1000 {
		return 0.2
	}
	return max(0.02, min(0.1, 2000/float64(texts)))
}

// group is all copies of one text.
type group struct {
	hash    uint64
	members []int // indices in the list
}

// split divides the texts into two sets. Which set a text belongs to depends on the seed
// and the text, not on its row. Both sets have the order of the file.
func split(d *Data, share float64, seed uint64) (train, dev []Example) {
	byKey := map[string]*group{}
	strata := map[int][]*group{}
	var order []int // of the strata
	for i := range d.Train {
		e := &d.Train[i]
		key := e.key()
		if g := byKey[key]; g != nil {
			g.members = append(g.members, i)
			continue
		}
		g := &group{hash: hashText(seed, key), members: []int{i}}
		byKey[key] = g
		s := stratum(e, d.Problem)
		if strata[s] == nil {
			order = append(order, s)
		}
		strata[s] = append(strata[s], g)
	}
	inDev := make([]bool, len(d.Train))
	for _, s := range order {
		groups := strata[s]
		slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.hash, b.hash) })
		n := int(math.Round(share * float64(len(groups))))
		if n == 0 && len(groups) >= minSplit {
			n = 1
		}
		for _, g := range groups[:min(n, len(groups)-1)] {
			for _, i := range g.members {
				inDev[i] = true
			}
		}
	}
	for i, e := range d.Train {
		if inDev[i] {
			dev = append(dev, e)
		} else {
			train = append(train, e)
		}
	}
	return train, dev
}

// stratum returns the class by which an example is divided: the first of several.
func stratum(e *Example, p models.Problem) int {
	switch {
	case p == models.SingleLabel:
		return e.Class
	case p == models.MultiLabel && len(e.Classes) > 0:
		return e.Classes[0]
	}
	return -1
}

// hashText returns a number that looks random. Equal texts have equal numbers.
func hashText(seed uint64, text string) uint64 {
	h := fnv.New64a()
	for range 8 {
		_, _ = h.Write([]byte{byte(seed)})
		seed >>= 8
	}
	_, _ = h.Write([]byte(text))
	x := h.Sum64()
	x ^= x >> 31 // FNV mixes its high bits badly
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}
