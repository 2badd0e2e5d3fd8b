package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Marked lines, once they are changed, are the patched lines, to the bit, however
// many changes share half a line, at every level.
func TestMarks(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(41, 42))
		for _, k := range []int{1, 3, 8, 40, 391, 1537} {
			for _, density := range []float64{0.001, 0.02, 0.045} {
				m := packRows(70, k, random(r, 70*k))
				scales := random(r, 70)
				for i := range scales {
					scales[i] = max(0, scales[i])
				}
				dense := randomChanges(r, 70, k, density)
				if k > 8 { // a whole half line
					for i := range tileRows {
						dense[i*k+5] = change{kept: true, plus: i%3 == 0}
					}
				}
				p := tileOrder("sign", "gaps", 70, k, dense, scales[:1+r.IntN(2)*69], func(int) bool { return false })
				if _, err := m.Overlay(p); err != nil {
					t.Fatal(err)
				}
				for panel := range panelCount(70) {
					patched, marked := make([]line, k), make([]line, k)
					w, _ := m.walk(p, panel)
					if !w.marked() { // few lines, and by chance much of them
						continue
					}
					scratch := makePanels(markScratch(k))
					for i := range scratch {
						copy(scratch[i][:], random(r, panelWidth)) // it may hold anything
					}
					w.mark(scratch).applyPortable(marked, m.panel(panel))
					w, _ = m.walk(p, panel)
					w.readPortable(patched)
					if !slices.Equal(marked, patched) {
						t.Fatalf("%d lines, %g changed, panel %d: the lines differ", k, density, panel)
					}
				}
			}
		}
	})
}
