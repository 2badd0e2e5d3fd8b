package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/runtime"
)

type evalCmd struct {
	File    string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base    string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Data    string       `required:"" placeholder:"FILE" help:"JSON lines {\"text\", \"text_pair\", \"label\"}; - is standard input."`
	JSON    bool         `name:"json" help:"Print JSON."`
	Compute gemm.Compute `default:"float32" placeholder:"TYPE" help:"Type in which dense layers multiply: float32, bfloat16 or int8 (default ${default})."`
	cacheFlags
}

// evaluation is what eval prints.
type evaluation struct {
	Texts    int          `json:"texts"`
	Accuracy float64      `json:"accuracy"`
	MacroF1  float64      `json:"macro_f1"` // over the labels that occur in the data or the predictions
	Classes  []classScore `json:"classes"`
}

type classScore struct {
	Label     string  `json:"label"`
	Texts     int     `json:"texts"`     // with this label
	Predicted int     `json:"predicted"` // as this label
	Correct   int     `json:"correct"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
}

func (c *evalCmd) Run(ctx context.Context, s streams) error {
	in, err := openInput(c.Data, s.in)
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	defer in.Close()
	e, task, err := openTask(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer e.Close()
	var result evaluation
	bar := newProgress(s.err, "texts", -1)
	err = eachBatch(in, "json", batchTexts, func(batch []example) error {
		r, err := classifyBatch(ctx, e, task, batch, runtime.Options{Truncate: true, Raw: true})
		if err != nil {
			return err
		}
		bar.add(len(batch))
		return result.add(r, batch)
	})
	bar.finish()
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	if result.Texts == 0 {
		return fmt.Errorf("eval: %s has no texts", c.Data)
	}
	result.finish()
	if c.JSON {
		return json.NewEncoder(s.out).Encode(result)
	}
	return result.print(s)
}

// add counts the predictions of one batch.
func (v *evaluation) add(r *runtime.Result, batch []example) error {
	if r.Problem != models.SingleLabel {
		return fmt.Errorf("the task is of the kind %s; accuracy is for %s", r.Problem, models.SingleLabel)
	}
	if v.Classes == nil {
		for _, label := range r.Labels {
			v.Classes = append(v.Classes, classScore{Label: label})
		}
	}
	for i := range batch {
		want, err := labelIndex(batch[i].Label, r.Labels)
		if err != nil {
			return fmt.Errorf("line %d: %w", batch[i].line, err)
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

// labelIndex finds an example's label, given by name or by number.
func labelIndex(label any, labels []string) (int, error) {
	switch l := label.(type) {
	case string:
		if i := slices.Index(labels, l); i >= 0 {
			return i, nil
		}
		return 0, fmt.Errorf("label %q is not one of the task's", l)
	case json.Number:
		if i, err := l.Int64(); err == nil && i >= 0 && i < int64(len(labels)) {
			return int(i), nil
		}
		return 0, fmt.Errorf("label %s is not a number below %d", l, len(labels))
	case nil:
		return 0, fmt.Errorf("no \"label\"")
	}
	return 0, fmt.Errorf("label is neither a name nor a number")
}

// finish derives the shares from the counts.
func (v *evaluation) finish() {
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

func (v *evaluation) print(s streams) error {
	fmt.Fprintf(s.out, "texts     %d\naccuracy  %.4f\nmacro F1  %.4f\n\n", v.Texts, v.Accuracy, v.MacroF1)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "texts\tprecision\trecall\tF1\t label\n")
	for _, c := range v.Classes {
		fmt.Fprintf(w, "%d\t%.4f\t%.4f\t%.4f\t %s\n", c.Texts, c.Precision, c.Recall, c.F1, c.Label)
	}
	return w.Flush()
}
