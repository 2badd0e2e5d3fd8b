package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"kenserve/bulk"
	"kenserve/evaluate"
	"kenserve/gemm"
	"kenserve/internal/printable"
)

type evalCmd struct {
	File    string       `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base    string       `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Data    string       `required:"" placeholder:"FILE" help:"File with labelled texts: JSON lines {\"text\", \"text_pair\", \"label\"}, a JSON array, CSV or TSV; - means standard input."`
	JSON    bool         `name:"json" help:"Print the result as JSON."`
	Compute gemm.Compute `default:"float32" placeholder:"TYPE" help:"Number type of products in dense layers: float32, bfloat16 or int8 (default ${default}). bfloat16 and int8 are less exact, and faster where the processor supports them."`
	labelFlags
	cacheFlags
}

func (c *evalCmd) Run(ctx context.Context, s streams) error {
	in, err := openData(c.Data, s, "eval", c.labelFlags.options())
	if err != nil {
		return err
	}
	defer in.Close()
	classifier, err := bulk.Open(ctx, c.File, c.Base, c.cacheFlags.open(), c.Compute)
	if err != nil {
		return err
	}
	defer classifier.Close()
	_ = reportUnknown("eval", false, s.warn("eval"), classifier.Engine.Base().Unknown()...)
	bar := newReadProgress(s.err, in.Size(), in.Position(), 0)
	report, err := evaluate.Run(ctx, classifier, in, bar.add)
	bar.finish()
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	reportIgnored(in, s, "eval")
	if report == nil {
		return fmt.Errorf("eval: %s has no texts", c.Data)
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(report)
	}
	return printEvaluation(s, report)
}

// printEvaluation prints figures, and a table of the classes.
func printEvaluation(s streams, report evaluate.Report) error {
	var classes []evaluate.Class
	switch r := report.(type) {
	case *evaluate.SingleLabel:
		fmt.Fprintf(s.out, "texts     %d%s\naccuracy  %.4f\nmacro F1  %.4f\n\n", r.Texts, truncation(r.Truncation), r.Accuracy, r.MacroF1)
		classes = r.Classes
	case *evaluate.MultiLabel:
		fmt.Fprintf(s.out, "texts            %d%s, each with any number of labels; predicted above %g\nsubset accuracy  %.4f\nmicro F1         %.4f\nmacro F1         %.4f\n\n",
			r.Texts, truncation(r.Truncation), r.Threshold, r.SubsetAccuracy, r.MicroF1, r.MacroF1)
		classes = r.Classes
	case *evaluate.Regression:
		_, err := fmt.Fprintf(s.out, "texts     %d%s\nPearson   %s\nSpearman  %s\nMSE       %.6g\n", r.Texts, truncation(r.Truncation), formatCorrelation(r.Pearson), formatCorrelation(r.Spearman), r.MSE)
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "texts\tprecision\trecall\tF1\t label\n")
	for _, c := range classes {
		fmt.Fprintf(w, "%d\t%.4f\t%.4f\t%.4f\t %s\n", c.Texts, c.Precision, c.Recall, c.F1, printable.Line(c.Label))
	}
	return w.Flush()
}

// truncation says how many texts lost tokens, if any did.
func truncation(t evaluate.Truncation) string {
	if t.Truncated == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them truncated to %d tokens", t.Truncated, t.MaxTokens)
}

func formatCorrelation(r *float64) string {
	if r == nil {
		return "not defined: all labels or all predictions are equal"
	}
	return fmt.Sprintf("%.4f", *r)
}
