// Package evaluate scores a classifier on labelled texts: accuracy, macro F1, and
// counts for each class.
//
// For a class, let correct be the texts that have its label and are predicted as it.
//
//	precision = correct / texts predicted as the class
//	recall    = correct / texts with the label
//	F1        = 2·correct / (texts with the label + texts predicted as the class)
//
// which is the harmonic mean of precision and recall. Macro F1 is the mean of F1 over
// the classes that occur among the labels or the predictions, as scikit-learn computes
// it. A share with a denominator of 0 is 0.
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

// Report is the result of an evaluation.
type Report struct {
	Texts    int     `json:"texts"`
	Accuracy float64 `json:"accuracy"`
	MacroF1  float64 `json:"macro_f1"`
	Classes  []Class `json:"classes"` // in the order of the task's labels
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

// Run classifies labelled texts, one JSON object a line, and compares the best label of
// each with its own. It calls progress after each batch with the batch's number of
// texts. Without any text it returns a report with Texts 0. It is an error if the
// task's problem_type is not single_label_classification, or if a text's label is not
// one of the task's.
func Run(ctx context.Context, c *bulk.Classifier, in io.Reader, progress func(texts int)) (*Report, error) {
	report := &Report{}
	err := dataset.EachBatch(in, dataset.JSON, bulk.BatchTexts, func(batch []dataset.Example) error {
		r, err := c.Classify(ctx, batch, runtime.Options{Truncate: true, Raw: true})
		if err != nil {
			return err
		}
		progress(len(batch))
		if r.Problem != models.SingleLabel {
			return fmt.Errorf("the task's problem_type is %s; accuracy is only defined for %s", r.Problem, models.SingleLabel)
		}
		gold := make([]int, len(batch))
		for i := range batch {
			if gold[i], err = batch[i].LabelIndex(r.Labels); err != nil {
				return err
			}
		}
		report.add(r.Labels, r.Scores, gold)
		return nil
	})
	if err != nil {
		return nil, err
	}
	report.finish()
	return report, nil
}

// add counts the predictions of a batch. scores is [texts, labels]; gold has the index
// of each text's label. If scores are equal, the first label wins.
func (r *Report) add(labels []string, scores [][]float32, gold []int) {
	if r.Classes == nil {
		for _, label := range labels {
			r.Classes = append(r.Classes, Class{Label: label})
		}
	}
	for i, want := range gold {
		best := 0
		for j, score := range scores[i] {
			if score > scores[i][best] {
				best = j
			}
		}
		r.Texts++
		r.Classes[want].Texts++
		r.Classes[best].Predicted++
		if best == want {
			r.Classes[best].Correct++
		}
	}
}

// finish computes the shares from the counts.
func (r *Report) finish() {
	if r.Texts == 0 {
		return
	}
	correct, occurring := 0, 0
	for i := range r.Classes {
		c := &r.Classes[i]
		correct += c.Correct
		if c.Predicted > 0 {
			c.Precision = float64(c.Correct) / float64(c.Predicted)
		}
		if c.Texts > 0 {
			c.Recall = float64(c.Correct) / float64(c.Texts)
		}
		if c.Texts+c.Predicted > 0 {
			c.F1 = 2 * float64(c.Correct) / float64(c.Texts+c.Predicted)
			r.MacroF1 += c.F1
			occurring++
		}
	}
	r.Accuracy = float64(correct) / float64(r.Texts)
	r.MacroF1 /= float64(occurring)
}
