// Package evaluate scores a classifier on labelled texts: accuracy, macro F1, and
// counts by class.
package evaluate

import (
	"context"
	"fmt"
	"io"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/models"
	"kenserve/runtime"
)

// Report is what an evaluation found.
type Report struct {
	Texts    int     `json:"texts"`
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"` // over the labels that occur in the data or the predictions
	Classes  []Class `json:"classes"`
}

// Class is how texts of one label and answers with it did.
type Class struct {
	Label     string  `json:"label"`
	Texts     int     `json:"texts"`     // with this label
	Predicted int     `json:"predicted"` // as this label
	Correct   int     `json:"correct"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

// Run classifies labelled texts, JSON lines, and scores the answers. A report of no
// texts has no shares. progress is called with the number of texts of every batch.
func Run(ctx context.Context, c *bulk.Classifier, in io.Reader, progress func(texts int)) (*Report, error) {
	report := &Report{}
	err := dataset.EachBatch(in, dataset.JSON, bulk.BatchTexts, func(batch []dataset.Example) error {
		r, err := c.Classify(ctx, batch, runtime.Options{Truncate: true, Raw: true})
		if err != nil {
			return err
		}
		progress(len(batch))
		return report.add(r, batch)
	})
	if err != nil {
		return nil, err
	}
	if report.Texts > 0 {
		report.finish()
	}
	return report, nil
}

// add counts the predictions of one batch.
func (v *Report) add(r *runtime.Result, batch []dataset.Example) error {
	if r.Problem != models.SingleLabel {
		return fmt.Errorf("the task is of the kind %s; accuracy is for %s", r.Problem, models.SingleLabel)
	}
	if v.Classes == nil {
		for _, label := range r.Labels {
			v.Classes = append(v.Classes, Class{Label: label})
		}
	}
	for i := range batch {
		want, err := batch[i].LabelIndex(r.Labels)
		if err != nil {
			return err
		}
		got := 0
		for j, score := range r.Scores[i] {
			if score > r.Scores[i][got] {
				got = j
			}
		}
		v.Texts++
		v.Classes[want].Texts++
		v.Classes[got].Predicted++
		if got == want {
			v.Classes[got].Correct++
		}
	}
	return nil
}

// finish derives the shares from the counts.
func (v *Report) finish() {
	correct, occurring := 0, 0
	for i := range v.Classes {
		c := &v.Classes[i]
		correct += c.Correct
		if c.Predicted > 0 {
			c.Precision = float64(c.Correct) / float64(c.Predicted)
		}
		if c.Texts > 0 {
			c.Recall = float64(c.Correct) / float64(c.Texts)
		}
		if c.Texts+c.Predicted > 0 {
			c.F1 = 2 * float64(c.Correct) / float64(c.Texts+c.Predicted)
			v.MacroF1 += c.F1
			occurring++
		}
	}
	v.Accuracy = float64(correct) / float64(v.Texts)
	v.MacroF1 /= float64(occurring)
}
