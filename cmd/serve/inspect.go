package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"kenserve/delta"
	"kenserve/delta/pack"
)

type inspectCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base string `type:"model" placeholder:"DIR" help:"Hugging Face folder of the base; with it, the rows that keep a value are counted."`
	JSON bool   `name:"json" help:"Print JSON."`
	cacheFlags
}

// inspection is what inspect prints.
type inspection struct {
	File         string             `json:"file"`
	Layout       string             `json:"layout"` // fast or small
	Bytes        int64              `json:"bytes"`
	SHA256       string             `json:"sha256"`
	BaseName     string             `json:"base_name,omitempty"`
	BaseSHA256   string             `json:"base_sha256"`
	Architecture string             `json:"architecture,omitempty"`
	ProblemType  string             `json:"problem_type,omitempty"`
	Labels       []string           `json:"labels,omitempty"`
	Selection    string             `json:"selection"`
	K            int                `json:"k,omitempty"`
	Keep         float64            `json:"keep,omitempty"`
	Budget       string             `json:"budget,omitempty"`
	Factor       float64            `json:"factor,omitempty"`
	Factors      map[string]float64 `json:"factors,omitempty"`
	HeadFitted   bool               `json:"head_fitted,omitempty"`
	Scope        string             `json:"scope,omitempty"`
	Coding       string             `json:"coding"`
	VectorCoding string             `json:"vector_coding,omitempty"`
	Producer     string             `json:"producer"`
	SourceName   string             `json:"source_name,omitempty"`
	SourceSHA256 string             `json:"source_sha256,omitempty"`
	Notes        string             `json:"notes,omitempty"`
	Tensors      []inspectionTensor `json:"tensors"`
}

type inspectionTensor struct {
	Name   string `json:"name"`
	Form   string `json:"form"`             // of positions: bitmap, gaps or whole; dense; packed in the small layout
	Coding string `json:"coding,omitempty"` // of the values
	Rows   int    `json:"rows,omitempty"`   // those with a kept value, if the base is known
	Kept   int    `json:"kept,omitempty"`
	Bytes  int64  `json:"bytes"`
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
	return i.print(s)
}

func (c *inspectCmd) inspect() (*inspection, error) {
	if small, err := pack.Open(c.File); err == nil {
		defer small.Close()
		if c.Base == "" {
			return c.inspectSmall(small), nil
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
		return c.inspectFast(d), nil
	}
	base, err := openBase("inspect", c.Base)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	d, err := base.delta(c.File, c.cacheFlags.open())
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return c.inspectFast(d), nil
}

// newInspection has what the metadata tells.
func (c *inspectCmd) newInspection(layout string, d *delta.Info) *inspection {
	return &inspection{
		File: c.File, Layout: layout, BaseName: d.BaseName, BaseSHA256: d.BaseSHA256,
		Architecture: d.Architecture, ProblemType: d.ProblemType, Labels: d.Labels,
		Selection: d.Selection, K: d.K, Keep: d.Keep, Budget: d.Budget, Factor: d.Factor, Factors: d.Factors, HeadFitted: d.HeadFitted, Scope: d.Scope,
		Coding: string(d.Coding), VectorCoding: string(d.VectorCoding),
		Producer: d.Producer, SourceName: d.SourceName, SourceSHA256: d.SourceSHA256, Notes: d.Notes,
	}
}

// inspectSmall tells of a file in the small layout what it says without its
// base.
func (c *inspectCmd) inspectSmall(d *pack.File) *inspection {
	i := c.newInspection("small", &d.Info)
	i.Bytes, i.SHA256 = d.Size, d.SHA256
	for _, t := range d.Tensors {
		out := inspectionTensor{Name: t.Name, Form: "packed", Bytes: int64(len(t.Packed))}
		if t.Dense != nil {
			out.Form, out.Kept, out.Bytes = "dense", t.Dense.Len(), int64(len(t.Dense.Data))
			out.Rows, _ = t.Dense.Rows()
		}
		i.Tensors = append(i.Tensors, out)
	}
	return i
}

// inspectFast tells all of a delta; rows if it was checked against its base.
func (c *inspectCmd) inspectFast(d *delta.Delta) *inspection {
	i := c.newInspection("fast", &d.Info)
	i.Bytes, i.SHA256 = d.Size, d.SHA256
	for _, t := range d.Tensors {
		out := inspectionTensor{Name: t.Name, Form: "bitmap", Bytes: t.Bytes}
		if t.Dense != nil {
			out.Form = "dense"
			out.Rows, _ = t.Dense.Rows()
			out.Kept = t.Dense.Len()
		} else {
			switch {
			case t.Masked.Whole():
				out.Form = "whole"
			case t.Masked.Gaps != nil:
				out.Form = "gaps"
			}
			out.Coding = string(t.Masked.Coding)
			out.Kept = t.Masked.Kept()
			if c.Base != "" {
				rows := map[int]bool{}
				t.Masked.Keeps(func(row, _ int) { rows[row] = true })
				out.Rows = len(rows)
			}
		}
		i.Tensors = append(i.Tensors, out)
	}
	return i
}

func (i *inspection) print(s streams) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", key, value)
		}
	}
	line("file", i.File)
	line("size", size(i.Bytes))
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
	share := fmt.Sprintf("%g of %s", i.Keep, unit)
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
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	w = tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "rows\tkept\tsize\tform\tcoding\t tensor\n")
	kept, bytes := 0, int64(0)
	for _, t := range i.Tensors {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t %s\n", count(t.Rows), count(t.Kept), size(t.Bytes), t.Form, t.Coding, t.Name)
		kept += t.Kept
		bytes += t.Bytes
	}
	fmt.Fprintf(w, "\t%s\t%s\t\t\t all\n", count(kept), size(bytes))
	return w.Flush()
}

// count prints a number; 0 is one that is not known.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// shorten lists labels, a few of many.
func shorten(labels []string) string {
	const most = 8
	out := ""
	for i, l := range labels {
		if i == most {
			return fmt.Sprintf("%s, … (%d)", out, len(labels))
		}
		if i > 0 {
			out += ", "
		}
		out += l
	}
	return out
}
