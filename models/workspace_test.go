package models

import (
	"testing"
)

func TestWorkspaceViewsDoNotOverlap(t *testing.T) {
	w := NewWorkspace(nil)
	for round := range 3 {
		w.Reset()
		a, b, c := w.View(3, 5), w.View(7, 1024), w.View(1, 1)
		for i, v := range []struct{ data []float32 }{{a.Data}, {b.Data}, {c.Data}} {
			for j := range v.data {
				v.data[j] = float32(i)
			}
		}
		for i, v := range []struct{ data []float32 }{{a.Data}, {b.Data}, {c.Data}} {
			for _, x := range v.data {
				if x != float32(i) {
					t.Fatalf("round %d: view %d contains the value %v of another view", round, i, x)
				}
			}
		}
		if b.Stride%1024 == 0 {
			t.Errorf("with stride %d, rows use the same cache sets", b.Stride)
		}
	}
	if w.Bytes() == 0 {
		t.Error("the workspace dropped its buffers")
	}
}
