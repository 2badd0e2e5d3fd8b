package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"kenserve/delta"
	"kenserve/delta/diff"
	"kenserve/internal/printable"
)

type diffCmd struct {
	A    string `arg:"" placeholder:"A.ken" help:"Delta file."`
	B    string `arg:"" placeholder:"B.ken" help:"Delta file of the same base."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	JSON bool   `name:"json" help:"Print the result as JSON."`
	cacheFlags
}

// comparison is the JSON output.
type comparison struct {
	A string `json:"a"`
	B string `json:"b"`
	*diff.Report
}

func (c *diffCmd) Run(s streams) error {
	base, err := openBase("diff", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	var deltas [2]*delta.Delta
	for i, path := range []string{c.A, c.B} {
		d, err := base.delta(path, c.cacheFlags.open())
		if err != nil {
			return err
		}
		defer d.Close()
		deltas[i] = d
	}
	report, err := diff.Compare(base, deltas[0], deltas[1])
	if err != nil {
		return err
	}
	result := comparison{c.A, c.B, report}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", " ")
		return e.Encode(result)
	}
	return printDiff(s, result)
}

// printDiff prints a table.
func printDiff(s streams, c comparison) error {
	fmt.Fprintf(s.out, "A  %s\nB  %s\n", printable.Line(c.A), printable.Line(c.B))
	switch {
	case c.TokenizerA == c.TokenizerB && c.TokenizerA != "":
		fmt.Fprintln(s.out, "A and B have the same tokenizer, which is not the base's")
	case c.TokenizerA != c.TokenizerB:
		fmt.Fprintln(s.out, "A and B have different tokenizers")
	}
	for _, r := range c.Resized {
		fmt.Fprintf(s.out, "table %s has %d rows in A, %d in B and %d in the base\n", printable.Line(r.Name), r.A, r.B, r.Base)
	}
	fmt.Fprintln(s.out)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "both\tby chance\tonly A\tonly B\tJaccard\tsame sign\tequal\t tensor\n")
	line := func(o *diff.Overlap, name string) {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%.3f\t%.3f\t%d\t %s\n", o.Both, o.ByChance, o.OnlyA, o.OnlyB, o.Jaccard, o.Agreement, o.Equal, name)
	}
	for _, o := range c.Tensors {
		line(o, printable.Line(o.Name))
	}
	line(&c.Total, "all")
	return w.Flush()
}
