package evaluate

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kenserve/dataset"
	"kenserve/models"
	"kenserve/runtime"
)

// readLabels returns the labels of JSON values.
func readLabels(t *testing.T, values ...string) []dataset.Label {
	t.Helper()
	var lines strings.Builder
	for _, v := range values {
		fmt.Fprintf(&lines, "{\"text\": \"\", \"label\": %s}\n", v)
	}
	r, err := dataset.NewReader("labels", strings.NewReader(lines.String()), dataset.Options{Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	var labels []dataset.Label
	if err := r.Batches(100, func(rows []dataset.Row) error {
		for _, row := range rows {
			labels = append(labels, row.Label)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return labels
}

func TestSingleLabel(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores [][]float32
		gold   []string
		want   SingleLabel
	}{
		{"all correct", [][]float32{{2, 1, 0}, {0, 1, 0}}, []string{"0", `"b"`}, SingleLabel{
			Texts: 2, Accuracy: 1, MacroF1: 1, // c does not occur
			Classes: []Class{
				{Label: "a", Texts: 1, Predicted: 1, Correct: 1, Precision: 1, Recall: 1, F1: 1},
				{Label: "b", Texts: 1, Predicted: 1, Correct: 1, Precision: 1, Recall: 1, F1: 1},
				{Label: "c"},
			},
		}},
		{"some wrong", [][]float32{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {0, 0, 1}}, []string{"0", "0", "1", "1"}, SingleLabel{
			Texts: 4, Accuracy: 0.5, MacroF1: 0.8 / 3,
			Classes: []Class{
				{Label: "a", Texts: 2, Predicted: 3, Correct: 2, Precision: 2.0 / 3, Recall: 1, F1: 0.8},
				{Label: "b", Texts: 2},
				{Label: "c", Predicted: 1},
			},
		}},
		{"equal scores", [][]float32{{0, 1, 1}}, []string{"2"}, SingleLabel{
			Texts:   1,
			Classes: []Class{{Label: "a"}, {Label: "b", Predicted: 1}, {Label: "c", Texts: 1}},
		}},
	} {
		got := newSingleLabel([]string{"a", "b", "c"})
		for i, label := range readLabels(t, c.gold...) {
			if err := got.add(c.scores[i], label); err != nil {
				t.Fatal(err)
			}
		}
		got.finish()
		c.want.Kind = "single_label_classification"
		if diff := cmp.Diff(c.want, *got, cmpopts.EquateApprox(0, 1e-12), cmpopts.IgnoreUnexported(SingleLabel{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestGoldens compares all figures with those of scikit-learn and scipy.
func TestGoldens(t *testing.T) {
	text, err := os.ReadFile("testdata/goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []map[string]json.RawMessage
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for n, c := range cases {
		var kind string
		var scores [][]float32
		var gold []json.RawMessage
		for name, target := range map[string]any{"kind": &kind, "scores": &scores, "gold": &gold} {
			if err := json.Unmarshal(c[name], target); err != nil {
				t.Fatal(err)
			}
		}
		var labels []string
		for i := range scores[0] {
			labels = append(labels, fmt.Sprintf("label %c", 'a'+i))
		}
		report, err := newReport(&runtime.Result{Problem: models.Problem(kind), Labels: labels})
		if err != nil {
			t.Fatal(err)
		}
		var values []string
		for _, g := range gold {
			value := string(g)
			if kind == string(models.MultiLabel) { // a list of names: of numbers, [0, 1] could be names' numbers
				var flags []int
				_ = json.Unmarshal(g, &flags)
				names := []string{}
				for i, flag := range flags {
					if flag == 1 {
						names = append(names, labels[i])
					}
				}
				list, _ := json.Marshal(names)
				value = string(list)
			}
			values = append(values, value)
		}
		for i, label := range readLabels(t, values...) {
			if err := report.add(scores[i], label); err != nil {
				t.Fatal(err)
			}
		}
		report.finish()
		encoded, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		_ = json.Unmarshal(encoded, &got)
		if got["texts"] != float64(len(scores)) {
			t.Errorf("case %d: %v texts, want %d", n, got["texts"], len(scores))
		}
		for name, value := range c {
			if name == "scores" || name == "gold" {
				continue
			}
			var want any
			_ = json.Unmarshal(value, &want)
			if classes, ok := got[name].([]any); ok { // more is in them than in the golden
				for i := range classes {
					class := classes[i].(map[string]any)
					delete(class, "label")
					delete(class, "predicted")
					delete(class, "correct")
				}
			}
			if diff := cmp.Diff(want, got[name], cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("case %d, %s, %s: %s", n, kind, name, diff)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		problem     models.Problem
		label, want string
	}{
		{models.SingleLabel, `"x"`, "not one of the task's"},
		{models.SingleLabel, `["a", "b"]`, "one label a text"},
		{models.MultiLabel, `["a", "a"]`, "occurs twice"},
		{models.MultiLabel, `["x"]`, "not one of the task's"},
	} {
		r, err := newReport(&runtime.Result{Problem: c.problem, Labels: []string{"a", "b", "c"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.add([]float32{0, 0, 0}, readLabels(t, c.label)[0]); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: error %v, want %q", c.problem, c.label, err, c.want)
		}
	}
	if _, err := newReport(&runtime.Result{Problem: models.Regression, Labels: []string{"a", "b"}}); err == nil {
		t.Error("a regression with two outputs is scored")
	}
	r := &Regression{}
	if err := r.add([]float32{0}, readLabels(t, `"high"`)[0]); err == nil || !strings.Contains(err.Error(), "not a number") {
		t.Errorf("a name as a value: %v", err)
	}
}

// TestThresholds predicts labels from their own thresholds on, after the temperature.
func TestThresholds(t *testing.T) {
	row, err := dataset.NewReader("f.jsonl", strings.NewReader(`{"text":"x","label":["b"]}`), dataset.Options{Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := row.Read()
	if err != nil {
		t.Fatal(err)
	}
	report, err := newReport(&runtime.Result{Problem: models.MultiLabel, Labels: []string{"a", "b"}, Thresholds: []float64{0.9, 0.25}, Temperature: 2})
	if err != nil {
		t.Fatal(err)
	}
	// Probabilities: the sigmoids of 1 and −0.5, 0.73 and 0.38.
	if err := report.add([]float32{2, -1}, r.Label); err != nil {
		t.Fatal(err)
	}
	report.finish()
	if m := report.(*MultiLabel); m.SubsetAccuracy != 1 {
		t.Errorf("subset accuracy is %g, want 1", m.SubsetAccuracy)
	}
}
