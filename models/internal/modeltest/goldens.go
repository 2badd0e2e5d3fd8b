package modeltest

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"kenserve/models"
)

// Golden is a sequence and the logits that transformers computes for it.
type Golden struct {
	IDs     []int32   `json:"ids"`
	TypeIDs []int32   `json:"type_ids"`
	Logits  []float32 `json:"logits"`
}

// ReadGoldens reads a goldens.json that a make_goldens.py wrote.
func ReadGoldens(t testing.TB, path string) []Golden {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var goldens []Golden
	if err := json.Unmarshal(text, &goldens); err != nil {
		t.Fatal(err)
	}
	if len(goldens) == 0 {
		t.Fatalf("%s is empty", path)
	}
	return goldens
}

// Join returns the batch of the given sequences.
func Join(goldens ...Golden) *models.Batch {
	b := &models.Batch{}
	for _, g := range goldens {
		b.IDs = append(b.IDs, g.IDs...)
		b.TypeIDs = append(b.TypeIDs, g.TypeIDs...)
		b.Ends = append(b.Ends, len(b.IDs))
	}
	return b
}

// Compare runs the network on the goldens in batches of size sequences. It returns
// the largest absolute difference between logits.
func Compare(t testing.TB, n models.Network, w *models.Workspace, goldens []Golden, size int) float64 {
	t.Helper()
	worst := 0.0
	for len(goldens) > 0 {
		some := goldens[:min(size, len(goldens))]
		goldens = goldens[len(some):]
		logits := make([]float32, len(some)*n.Labels())
		if err := n.Forward(w, Join(some...), logits); err != nil {
			t.Fatal(err)
		}
		for i, g := range some {
			if len(g.Logits) != n.Labels() {
				t.Fatalf("the goldens have %d logits, the network has %d labels", len(g.Logits), n.Labels())
			}
			for j, want := range g.Logits {
				d := math.Abs(float64(logits[i*n.Labels()+j]) - float64(want))
				if math.IsNaN(d) {
					t.Fatalf("a logit is %v, want %v", logits[i*n.Labels()+j], want)
				}
				worst = math.Max(worst, d)
			}
		}
	}
	return worst
}
