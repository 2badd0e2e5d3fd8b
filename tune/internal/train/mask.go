package train

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"kenserve/models"
)

// Mask is the rule that chooses the positions of a sparse run.
type Mask string

// The masks.
const (
	// Gradient keeps the values with the largest sum of squared gradients over the first
	// batches (the FISH mask of Sung et al., 2021).
	Gradient Mask = "gradient"
	// Change keeps the values that full training changes most, and trains again from the base
	// (LT-SFT of Ansell et al., 2022).
	Change Mask = "change"
	// Base keeps the smallest values of the base, for all tasks the same (PaFi of Liao et al.,
	// 2023).
	Base Mask = "base"
)

// ParseMask returns the mask of that name.
func ParseMask(name string) (Mask, error) {
	switch m := Mask(name); m {
	case Gradient, Change, Base:
		return m, nil
	}
	return "", fmt.Errorf("unknown mask %q, want %s, %s or %s", name, Gradient, Change, Base)
}

// mayKeep reports whether a sparse run trains some positions of the weight. Vectors and new
// layers are trained whole; tables are not trained.
func (w *Weight) mayKeep() bool { return w.Role == models.Matrix && !w.OfHead }

// candidate is a position with its score.
type candidate struct {
	score    float32
	weight   int32
	position int32
}

// largest keeps the candidates with the largest scores. It holds at most twice as many.
type largest struct {
	n    int
	list []candidate
	// floor is a score that enough candidates reach: lower ones need not be added.
	floor float32
}

func (l *largest) add(c candidate) {
	if l.n == 0 || c.score < l.floor || c.score <= 0 || math.IsNaN(float64(c.score)) {
		return
	}
	if l.list = append(l.list, c); len(l.list) >= 2*l.n+1024 {
		l.cut()
	}
}

// compareCandidates orders by score, the largest first, and then by place.
func compareCandidates(a, b candidate) int {
	return cmp.Or(-cmp.Compare(a.score, b.score), cmp.Compare(a.weight, b.weight), cmp.Compare(a.position, b.position))
}

func (l *largest) cut() {
	slices.SortFunc(l.list, compareCandidates)
	if len(l.list) > l.n {
		l.list = l.list[:l.n]
		l.floor = l.list[l.n-1].score
	}
}

// positions returns the positions of each weight, rising.
func (l *largest) positions() map[int][]int {
	l.cut()
	out := map[int][]int{}
	for _, c := range l.list {
		out[int(c.weight)] = append(out[int(c.weight)], int(c.position))
	}
	for _, p := range out {
		slices.Sort(p)
	}
	return out
}

// budget returns the number of values that a share of all weights of the encoder is.
func (m *Model) budget(share float64) int {
	total := 0
	for _, w := range m.weights {
		if !w.OfHead {
			total += w.Elements()
		}
	}
	return int(math.Round(share * float64(total)))
}

// choose returns the positions with the largest scores, by weight.
func (m *Model) choose(n int, score func(w *Weight, i int) float32) map[int][]int {
	l := &largest{n: n}
	for at, w := range m.weights {
		if !w.mayKeep() || w.frozen {
			continue
		}
		for i := range *w.values {
			if s := score(w, i); s >= l.floor {
				if p := w.tensor.Position(i); p >= 0 {
					l.add(candidate{s, int32(at), int32(p)})
				}
			}
		}
	}
	return l.positions()
}

// apply starts a sparse run: it resets all weights and keeps these positions, vectors and new
// layers.
func (m *Model) apply(positions map[int][]int) error {
	if err := m.reset(); err != nil {
		return err
	}
	for at, w := range m.weights {
		var keep []int // all
		switch {
		case w.mayKeep():
			keep = append([]int{}, positions[at]...)
		case w.Role == models.Embedding:
			keep = []int{}
		}
		if err := w.keep(keep); err != nil {
			return err
		}
	}
	m.updated()
	return nil
}
