package evaluate

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReport(t *testing.T) {
	type batch struct {
		scores [][]float32
		gold   []int
	}
	labels := []string{"a", "b", "c"}
	for _, c := range []struct {
		name    string
		batches []batch
		want    Report
	}{
		{"no texts", nil, Report{}},
		{"all correct", []batch{{[][]float32{{2, 1, 0}, {0, 1, 0}}, []int{0, 1}}}, Report{
			Texts: 2, Accuracy: 1, MacroF1: 1, // c does not occur
			Classes: []Class{
				{Label: "a", Texts: 1, Predicted: 1, Correct: 1, Precision: 1, Recall: 1, F1: 1},
				{Label: "b", Texts: 1, Predicted: 1, Correct: 1, Precision: 1, Recall: 1, F1: 1},
				{Label: "c"},
			},
		}},
		{"two batches, some wrong", []batch{
			{[][]float32{{1, 0, 0}, {1, 0, 0}}, []int{0, 0}},
			{[][]float32{{1, 0, 0}, {0, 0, 1}}, []int{1, 1}},
		}, Report{
			Texts: 4, Accuracy: 0.5, MacroF1: 0.8 / 3,
			Classes: []Class{
				{Label: "a", Texts: 2, Predicted: 3, Correct: 2, Precision: 2.0 / 3, Recall: 1, F1: 0.8},
				{Label: "b", Texts: 2},
				{Label: "c", Predicted: 1},
			},
		}},
		{"equal scores", []batch{{[][]float32{{0, 1, 1}}, []int{2}}}, Report{
			Texts:   1,
			Classes: []Class{{Label: "a"}, {Label: "b", Predicted: 1}, {Label: "c", Texts: 1}},
		}},
	} {
		got := Report{}
		for _, b := range c.batches {
			got.add(labels, b.scores, b.gold)
		}
		got.finish()
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
