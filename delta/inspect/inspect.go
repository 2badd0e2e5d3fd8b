// Package inspect describes a delta file: its metadata, and how many values of each
// tensor it keeps and in which form. It does not decode values.
package inspect

import (
	"encoding/json"
	"maps"
	"slices"

	"kenserve/delta"
	"kenserve/delta/pack"
	"kenserve/safetensors"
)

// Report describes a delta file. All but File, Layout, Bytes and Tensors is the file's
// metadata, see [delta.Info].
type Report struct {
	File         string             `json:"file"`
	Layout       string             `json:"layout"` // "fast" or "small"
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
	Temperature  float64            `json:"temperature,omitempty"`
	Thresholds   []float64          `json:"thresholds,omitempty"`
	Recipe       json.RawMessage    `json:"recipe,omitempty"` // how the task was tuned
	// TokenizerBytes is the size in the file of the task's own tokenizer; 0: the task
	// has the base's.
	TokenizerBytes int64 `json:"tokenizer_bytes,omitempty"`
	// Resized are the tables with another number of rows than the base's, sorted by name.
	Resized []Table  `json:"resized,omitempty"`
	Tensors []Tensor `json:"tensors"`
}

// Table describes a table of the base that the tuned checkpoint has resized.
type Table struct {
	Name  string `json:"name"`
	Rows  int    `json:"rows"`            // in the tuned checkpoint
	Added int    `json:"added,omitempty"` // of them, those after the base's last, which are stored whole
	Bytes int64  `json:"bytes,omitempty"` // of the added rows in the file
}

// Tensor describes one tensor of a delta file. Its form tells how positions are stored:
//
//	bitmap  a bit for each position
//	gaps    the distances between kept positions
//	whole   every position is kept
//	dense   the tensor itself, such as a head; it has no positions
//	coded   a layer of the head whose values are stored in a coding
//	packed  in the small layout, which does not tell positions without the base
type Tensor struct {
	Name   string `json:"name"`
	Form   string `json:"form"`             // see below
	Coding string `json:"coding,omitempty"` // of the values
	Rows   int    `json:"rows,omitempty"`   // number of rows with a kept value; 0 if not known
	Kept   int    `json:"kept,omitempty"`   // number of kept values; 0 if not known
	Bytes  int64  `json:"bytes"`            // in the file
}

// ownParts is a delta file in one of the layouts.
type ownParts interface {
	TokenizerBytes() int64
	AddedRows(table string) *safetensors.Tensor
}

// newReport returns a report with the metadata, and what the file has beside values of
// the base's tensors.
func newReport(file, layout string, d *delta.Info, own ownParts) *Report {
	r := &Report{
		File: file, Layout: layout, BaseName: d.BaseName, BaseSHA256: d.BaseSHA256,
		Architecture: d.Architecture, ProblemType: d.ProblemType, Labels: d.Labels,
		Selection: d.Selection, K: d.K, Keep: d.Keep, Budget: d.Budget, Factor: d.Factor, Factors: d.Factors, HeadFitted: d.HeadFitted, Scope: d.Scope,
		Coding: string(d.Coding), VectorCoding: string(d.VectorCoding),
		Producer: d.Producer, SourceName: d.SourceName, SourceSHA256: d.SourceSHA256, Notes: d.Notes,
		Temperature: d.Temperature, Thresholds: d.Thresholds,
		TokenizerBytes: own.TokenizerBytes(),
	}
	if d.Recipe != "" {
		r.Recipe = json.RawMessage(d.Recipe)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Rows)) {
		t := Table{Name: name, Rows: d.Rows[name]}
		if added := own.AddedRows(name); added != nil {
			t.Added, _ = added.Rows()
			t.Bytes = int64(len(added.Data))
		}
		r.Resized = append(r.Resized, t)
	}
	return r
}

// Small describes a file in the small layout, as far as that is possible without its
// base: rows and kept values of packed tensors are not known.
func Small(file string, d *pack.File) *Report {
	r := newReport(file, "small", &d.Info, d)
	r.Bytes, r.SHA256 = d.Size, d.SHA256
	for _, t := range d.Tensors {
		out := Tensor{Name: t.Name, Form: "packed", Bytes: t.Bytes()}
		if t.Coded() {
			out.Form = "coded"
		}
		if t.Dense != nil {
			out.Form, out.Kept, out.Bytes = "dense", t.Dense.Len(), int64(len(t.Dense.Data))
			out.Rows, _ = t.Dense.Rows()
		}
		r.Tensors = append(r.Tensors, out)
	}
	return r
}

// Fast describes a delta in the fast layout. It counts rows only if the delta has been
// checked against its base, because shapes come from there.
func Fast(file string, d *delta.Delta, checked bool) *Report {
	r := newReport(file, "fast", &d.Info, d)
	r.Bytes, r.SHA256 = d.Size, d.SHA256
	for _, t := range d.Tensors {
		out := Tensor{Name: t.Name, Form: "bitmap", Bytes: t.Bytes}
		if t.Dense != nil {
			out.Form, out.Coding = "dense", string(t.Coding)
			if t.Coding != "" {
				out.Form = "coded"
			}
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
			if checked {
				rows := map[int]bool{}
				t.Masked.Keeps(func(row, _ int) { rows[row] = true })
				out.Rows = len(rows)
			}
		}
		r.Tensors = append(r.Tensors, out)
	}
	return r
}
