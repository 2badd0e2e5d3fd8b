package evaluate

import (
	"math"

	"kenserve/dataset"
	"kenserve/models"
)

// SingleLabel is the result for a task with one label a text.
type SingleLabel struct {
	Kind     string  `json:"kind"` // single_label_classification
	Texts    int     `json:"texts"`
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"`
	Classes  []Class `json:"classes"` // in the order of the task's labels
	Truncation

	labels []string
}

// MultiLabel is the result for a task with several labels a text.
type MultiLabel struct {
	Kind           string  `json:"kind"` // multi_label_classification
	Texts          int     `json:"texts"`
	SubsetAccuracy float64 `json:"subset_accuracy"`
	MicroF1        float64 `json:"micro_f1"`
	MacroF1        float64 `json:"macro_f1"`
	Threshold      float64 `json:"threshold"` // above which a probability predicts its label; see Thresholds
	// Thresholds are those of the task, from which a probability predicts its label, in the
	// order of the labels; nil: all are Threshold.
	Thresholds []float64 `json:"thresholds,omitempty"`
	Classes    []Class   `json:"classes"` // in the order of the task's labels
	Truncation

	labels []string
	cuts   []float64 // logits from which a label is predicted, if there are thresholds
	exact  int       // texts for which exactly the right labels are predicted
}

// Class is the result for one label.
type Class struct {
	Label     string  `json:"label"`
	Texts     int     `json:"texts"`     // with this label
	Predicted int     `json:"predicted"` // texts predicted as this label
	Correct   int     `json:"correct"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

func newClasses(labels []string) []Class {
	classes := make([]Class, len(labels))
	for i, label := range labels {
		classes[i].Label = label
	}
	return classes
}

// finish computes the shares from the counts.
func (c *Class) finish() {
	if c.Predicted > 0 {
		c.Precision = float64(c.Correct) / float64(c.Predicted)
	}
	if c.Texts > 0 {
		c.Recall = float64(c.Correct) / float64(c.Texts)
	}
	if c.Texts+c.Predicted > 0 {
		c.F1 = 2 * float64(c.Correct) / float64(c.Texts+c.Predicted)
	}
}

func newSingleLabel(labels []string) *SingleLabel {
	return &SingleLabel{Kind: string(models.SingleLabel), Classes: newClasses(labels), labels: labels}
}

// add counts the prediction of a text. If scores are equal, the first label wins.
func (r *SingleLabel) add(scores []float32, label dataset.Label) error {
	want, err := label.Index(r.labels)
	if err == nil {
		r.addGold(scores, Gold{Class: want})
	}
	return err
}

func (r *SingleLabel) addGold(scores []float32, gold Gold) {
	want, best := gold.Class, 0
	for i, score := range scores {
		if score > scores[best] {
			best = i
		}
	}
	r.Texts++
	r.Classes[want].Texts++
	r.Classes[best].Predicted++
	if best == want {
		r.Classes[best].Correct++
	}
}

func (r *SingleLabel) finish() {
	correct, occurring := 0, 0
	for i := range r.Classes {
		c := &r.Classes[i]
		c.finish()
		correct += c.Correct
		if c.Texts+c.Predicted > 0 {
			r.MacroF1 += c.F1
			occurring++
		}
	}
	r.Accuracy = float64(correct) / float64(r.Texts)
	r.MacroF1 /= float64(occurring)
}

// newMultiLabel returns an empty report. thresholds may be nil; they are of probabilities
// that are sigmoids of logits divided by the temperature.
func newMultiLabel(labels []string, thresholds []float64, temperature float64) *MultiLabel {
	r := &MultiLabel{Kind: string(models.MultiLabel), Threshold: 0.5, Thresholds: thresholds, Classes: newClasses(labels), labels: labels}
	for _, p := range thresholds {
		r.cuts = append(r.cuts, temperature*(math.Log(p)-math.Log1p(-p)))
	}
	return r
}

// add counts the predictions of a text. A logit above 0 is a probability above 0.5.
func (r *MultiLabel) add(scores []float32, label dataset.Label) error {
	indices, err := label.Indices(r.labels)
	if err == nil {
		r.addGold(scores, Gold{Classes: indices})
	}
	return err
}

func (r *MultiLabel) addGold(scores []float32, gold Gold) {
	want := make([]bool, len(scores))
	for _, i := range gold.Classes {
		want[i] = true
	}
	r.Texts++
	exact := true
	for i, score := range scores {
		predicted := score > 0
		if r.cuts != nil {
			predicted = float64(score) >= r.cuts[i]
		}
		c := &r.Classes[i]
		if want[i] {
			c.Texts++
		}
		if predicted {
			c.Predicted++
		}
		if want[i] && predicted {
			c.Correct++
		}
		exact = exact && want[i] == predicted
	}
	if exact {
		r.exact++
	}
}

func (r *MultiLabel) finish() {
	var sum Class
	for i := range r.Classes {
		c := &r.Classes[i]
		c.finish()
		sum.Texts += c.Texts
		sum.Predicted += c.Predicted
		sum.Correct += c.Correct
		r.MacroF1 += c.F1 / float64(len(r.Classes))
	}
	sum.finish()
	r.MicroF1 = sum.F1
	r.SubsetAccuracy = float64(r.exact) / float64(r.Texts)
}
