package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"kenserve/delta"
	"kenserve/safetensors"
)

type inspectCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base string `placeholder:"DIR" help:"Hugging Face folder of the base; with it, the rows that keep a value are counted."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// inspection is what inspect prints.
type inspection struct {
	File         string             `json:"file"`
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
	Scope        string             `json:"scope,omitempty"`
	Coding       string             `json:"coding"`
	Producer     string             `json:"producer"`
	SourceName   string             `json:"source_name,omitempty"`
	SourceSHA256 string             `json:"source_sha256,omitempty"`
	Notes        string             `json:"notes,omitempty"`
	Tensors      []inspectionTensor `json:"tensors"`
}

type inspectionTensor struct {
	Name  string `json:"name"`
	Form  string `json:"form"`           // masked or dense
	Rows  int    `json:"rows,omitempty"` // of a masked tensor, those with a kept value, if the base is known
	Kept  int    `json:"kept"`
	Bytes int64  `json:"bytes"`
}

func (c *inspectCmd) Run(s streams) error {
	d, err := delta.Open(c.File)
	if err != nil {
		return err
	}
	defer d.Close()
	if c.Base != "" {
		base, err := safetensors.OpenCheckpoint(c.Base)
		if err != nil {
			return fmt.Errorf("inspect: open base: %w", err)
		}
		defer base.Close()
		if err := d.Check(base, delta.Fingerprint(base)); err != nil {
			return err
		}
	}
	i := inspection{
		File: c.File, Bytes: d.Size, SHA256: d.SHA256, BaseName: d.BaseName, BaseSHA256: d.BaseSHA256,
		Architecture: d.Architecture, ProblemType: d.ProblemType, Labels: d.Labels,
		Selection: d.Selection, K: d.K, Keep: d.Keep, Scope: d.Scope, Coding: string(d.Coding),
		Producer: d.Producer, SourceName: d.SourceName, SourceSHA256: d.SourceSHA256, Notes: d.Notes,
	}
	for _, t := range d.Tensors {
		out := inspectionTensor{Name: t.Name, Form: "masked", Bytes: t.Bytes}
		if t.Dense != nil {
			out.Form = "dense"
			out.Rows, _ = t.Dense.Rows()
			out.Kept = t.Dense.Len()
		} else {
			out.Kept = t.Masked.Kept()
			if c.Base != "" {
				rows := map[int]bool{}
				t.Masked.Keeps(func(row, _ int) { rows[row] = true })
				out.Rows = len(rows)
			}
		}
		i.Tensors = append(i.Tensors, out)
	}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", " ")
		return e.Encode(i)
	}
	return i.print(s)
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
	line("digest", i.SHA256)
	line("base", i.BaseName+" "+i.BaseSHA256)
	line("architecture", i.Architecture)
	line("task", i.ProblemType)
	line("labels", shorten(i.Labels))
	share := fmt.Sprintf("%g of each row", i.Keep)
	if i.K > 0 {
		share = fmt.Sprintf("%d of each row", i.K)
	}
	line("selection", fmt.Sprintf("%s, %s, scope %s", i.Selection, share, i.Scope))
	line("coding", i.Coding)
	line("made by", i.Producer)
	line("from", i.SourceName+" "+i.SourceSHA256)
	line("notes", i.Notes)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	w = tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "rows\tkept\tsize\tform\t tensor\n")
	kept, bytes := 0, int64(0)
	for _, t := range i.Tensors {
		rows := ""
		if t.Rows > 0 {
			rows = fmt.Sprint(t.Rows)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t %s\n", rows, t.Kept, size(t.Bytes), t.Form, t.Name)
		kept += t.Kept
		bytes += t.Bytes
	}
	fmt.Fprintf(w, "\t%d\t%s\t\t all\n", kept, size(bytes))
	return w.Flush()
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
