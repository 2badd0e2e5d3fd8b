package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"kenserve/delta"
	"kenserve/delta/inspect"
	"kenserve/delta/pack"
	"kenserve/internal/printable"
	"kenserve/tune"
)

type inspectCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base string `type:"model" placeholder:"DIR" help:"Hugging Face folder of the base. With it, the delta is checked, the small layout is unpacked, and rows with kept values are counted."`
	JSON bool   `name:"json" help:"Print the result as JSON."`
	cacheFlags
}

func (c *inspectCmd) Run(s streams) error {
	i, err := c.inspect()
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", " ")
		return e.Encode(i)
	}
	return printInspection(s, i)
}

// inspect describes the file, in either layout.
func (c *inspectCmd) inspect() (*inspect.Report, error) {
	if small, err := pack.Open(c.File); err == nil {
		defer small.Close()
		if c.Base == "" {
			return inspect.Small(c.File, small), nil
		}
	} else if !errors.Is(err, delta.ErrLayout) {
		return nil, err
	}
	if c.Base == "" {
		d, err := delta.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return inspect.Fast(c.File, d, false), nil
	}
	_, d, closeBoth, err := c.openWithBase("inspect", c.Base, c.File)
	if err != nil {
		return nil, err
	}
	defer closeBoth()
	return inspect.Fast(c.File, d, true), nil
}

// printInspection prints the metadata and a table of tensors.
func printInspection(s streams, i *inspect.Report) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", key, printable.Line(value))
		}
	}
	line("file", i.File)
	line("size", formatSize(i.Bytes))
	line("layout", i.Layout)
	line("digest", i.SHA256)
	line("base", i.BaseName+" "+i.BaseSHA256)
	line("architecture", i.Architecture)
	line("task", i.ProblemType)
	line("labels", shorten(i.Labels))
	unit := "each row"
	if i.Budget == "tensor" || i.Budget == "model" {
		unit = "the " + i.Budget
	}
	share := "all of what is trained"
	if i.Keep > 0 {
		share = fmt.Sprintf("%g of %s", i.Keep, unit)
	}
	if i.K > 0 {
		share = fmt.Sprintf("%d of %s", i.K, unit)
	}
	line("selection", fmt.Sprintf("%s, %s, scope %s", i.Selection, share, i.Scope))
	if i.Factor != 0 {
		line("factor", fmt.Sprint(i.Factor))
	}
	if i.HeadFitted {
		line("head", "fitted to what is kept")
	}
	for _, kind := range slices.Sorted(maps.Keys(i.Factors)) {
		line("factor", fmt.Sprintf("times %.3g for %s", i.Factors[kind], kind))
	}
	coding := i.Coding
	if i.VectorCoding != "" {
		coding += ", vectors " + i.VectorCoding
	}
	line("coding", coding)
	line("made by", i.Producer)
	line("from", i.SourceName+" "+i.SourceSHA256)
	line("notes", i.Notes)
	if i.Temperature != 0 {
		line("temperature", fmt.Sprintf("%.4g", i.Temperature))
	}
	for j, p := range i.Thresholds {
		line("threshold", fmt.Sprintf("%.3g for %s", p, i.Labels[j]))
	}
	if i.Recipe != nil {
		var recipe tune.Recorded
		if err := json.Unmarshal(i.Recipe, &recipe); err == nil && recipe.Method != "" {
			line("tuned", recipe.String())
		} else {
			line("recipe", string(i.Recipe))
		}
	}
	tokenizer := "the base's"
	if i.TokenizerBytes > 0 {
		tokenizer = "its own, " + formatSize(i.TokenizerBytes)
	}
	line("tokenizer", tokenizer)
	for _, t := range i.Resized {
		rows := fmt.Sprintf("%s has %d rows", t.Name, t.Rows)
		if t.Added > 0 {
			rows += fmt.Sprintf(", of which %d are not the base's and stored whole, %s", t.Added, formatSize(t.Bytes))
		} else {
			rows += ", fewer than the base's"
		}
		line("table", rows)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	w = tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "rows\tkept\tsize\tform\tcoding\t tensor\n")
	kept, bytes := 0, int64(0)
	for _, t := range i.Tensors {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t %s\n", count(t.Rows), count(t.Kept), formatSize(t.Bytes), t.Form, t.Coding, printable.Line(t.Name))
		kept += t.Kept
		bytes += t.Bytes
	}
	fmt.Fprintf(w, "\t%s\t%s\t\t\t all\n", count(kept), formatSize(bytes))
	return w.Flush()
}

// count prints a number; 0 means that it is not known.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// shorten lists labels, at most eight of them.
func shorten(labels []string) string {
	const maxLabels = 8
	out := ""
	for i, l := range labels {
		if i == maxLabels {
			return fmt.Sprintf("%s, … (%d)", out, len(labels))
		}
		if i > 0 {
			out += ", "
		}
		out += l
	}
	return out
}
