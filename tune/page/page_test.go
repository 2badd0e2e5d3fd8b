package page

import (
	"bytes"
	"strings"
	"testing"

	"kenserve/evaluate"
	"kenserve/models"
	"kenserve/tune"
)

// TestRender renders a report of each kind of task. Texts are escaped, and nothing is loaded
// from elsewhere.
func TestRender(t *testing.T) {
	pearson := 0.5
	for _, dev := range []evaluate.Report{
		&evaluate.SingleLabel{Texts: 4, Accuracy: 0.75, Classes: []evaluate.Class{{Label: "<b>"}}},
		&evaluate.MultiLabel{Texts: 4, MicroF1: 0.75, Classes: []evaluate.Class{{Label: "<b>"}}},
		&evaluate.Regression{Texts: 4, Pearson: &pearson},
	} {
		r := &tune.Report{
			Task: "spam", Dev: dev, Temperature: 1.5, CalibrationBefore: 0.1, Ended: "the time is over",
			Data:       tune.DataReport{Problem: models.SingleLabel, Labels: []string{"<b>"}, Findings: []tune.Finding{{Count: 2, Message: "are <odd>", Warning: true}}},
			History:    []tune.Point{{Epoch: 1, Loss: 2, DevLoss: 1, Score: 0.5}, {Epoch: 2, Loss: 1, DevLoss: 0.5, Score: 0.7}},
			Best:       tune.Point{Epoch: 2},
			Trials:     []tune.Trial{{Score: 0.7}, {Failed: "it diverged"}},
			Confusions: []tune.Confusion{{Label: "<b>", Predicted: "c", Texts: 2}},
			Mistakes:   []tune.Mistake{{Row: 7, Text: "<script>alert(1)</script>", Confidence: 0.99}},
		}
		var out bytes.Buffer
		if err := render(&out, r); err != nil {
			t.Fatal(err)
		}
		page := out.String()
		for _, want := range []string{"<polyline", "the time is over", "it diverged", "&lt;script&gt;alert(1)", "are &lt;odd&gt;"} {
			if !strings.Contains(page, want) {
				t.Errorf("%T: no %q on the page", dev, want)
			}
		}
		for _, refused := range []string{"<script", "http://", "https://", "<odd>", "NaN", "%!"} {
			if strings.Contains(page, refused) {
				t.Errorf("%T: %q on the page", dev, refused)
			}
		}
	}
}

func TestNiceStep(t *testing.T) {
	for x, want := range map[float64]float64{0: 1, 0.03: 0.05, 0.1: 0.1, 1.1: 2, 7: 10, 250: 500} {
		if got := niceStep(x); got/want > 1.0001 || got/want < 0.9999 {
			t.Errorf("step for %g is %g, want %g", x, got, want)
		}
	}
}
