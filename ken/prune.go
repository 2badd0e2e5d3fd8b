package ken

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Rows returns the total of the rows that [Prune] reports as progress. A row counts
// once for every pass over it.
func (p *Pair) Rows(o Options) int {
	passes := 1
	if o.pooled() {
		passes += thresholdPasses
	}
	total := 0
	for _, name := range p.shared {
		if o.Scope.includes(name) && !o.isHead(name) {
			t, _ := p.base.Tensor(name)
			rows, _ := t.Rows()
			if o.keepsWhole(t.Shape) {
				total += rows
			} else {
				total += passes * rows
			}
		}
	}
	return total
}

// Prune selects from the tensors that the pair shares, and writes the kept values
// and the head to w, which the caller finishes. It works tensor by tensor, and the
// workers share the rows of a tensor. The result does not depend on their number. A
// budget that rows share takes two more passes over them, and a third over tensors
// in which only some of the equal weights at the threshold are kept.
func Prune(ctx context.Context, p *Pair, w *delta.Writer, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	for group := range o.Factors {
		if !slices.ContainsFunc(p.shared, func(name string) bool { k, _ := kindOf(name); return k == group || layerOf(name) == group }) {
			return nil, fmt.Errorf("ken: factor for %s: there is no tensor of that kind or layer", group)
		}
	}
	ws, err := newWorkers(p.Rows(o), o)
	if err != nil {
		return nil, err
	}
	limit := &threshold{}
	if o.Budget == BudgetModel {
		if limit, err = ws.findThreshold(ctx, p.pooledJobs(o), o); err != nil {
			return nil, err
		}
	}
	for _, name := range p.Resized {
		if err := p.writeAdded(w, name); err != nil {
			return nil, fmt.Errorf("ken: prune: %w", err)
		}
	}
	report := &Report{}
	for _, name := range p.shared {
		if o.isHead(name) {
			if err := w.Dense(o.headTensor(widenToFloat32(name, p.tunedTensor(name)))); err != nil {
				return nil, fmt.Errorf("ken: prune: write the head: %w", err)
			}
			continue
		}
		if !o.Scope.includes(name) {
			continue
		}
		r, err := ws.prune(ctx, newTensorJob(p, name, o), limit, w, o)
		if err != nil {
			return nil, err
		}
		report.Tensors = append(report.Tensors, r)
	}
	for _, name := range p.Head {
		t, _ := p.tuned.Tensor(name)
		if err := w.Dense(o.headTensor(t)); err != nil {
			return nil, fmt.Errorf("ken: prune: write the head: %w", err)
		}
	}
	return report, nil
}

// writeAdded writes how many rows a resized table has, and those that the base's does not
// have, whatever the options are: nothing could take their place.
func (p *Pair) writeAdded(w *delta.Writer, name string) error {
	base, _ := p.base.Tensor(name)
	tuned := p.tunedTensor(name)
	rows, columns := tuned.Rows()
	if rows <= base.Shape[0] {
		return w.Resize(name, rows, nil)
	}
	from := base.Shape[0] * columns * tuned.DType.Size()
	return w.Resize(name, rows, &safetensors.Tensor{Name: name, DType: tuned.DType, Shape: []int{rows - base.Shape[0], columns}, Data: tuned.Data[from:]})
}

// pooledJobs lists the tensors that share the model's budget.
func (p *Pair) pooledJobs(o Options) []*tensorJob {
	var jobs []*tensorJob
	for _, name := range p.shared {
		if j := newTensorJob(p, name, o); o.Scope.includes(name) && !o.isHead(name) && !o.keepsWhole(j.base.Shape) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// prune selects from a tensor and writes the kept values. It keeps a vector whole if
// the options say so; otherwise rows that share a budget keep what is above the
// limit, and other rows are selected from one by one.
func (ws workers) prune(ctx context.Context, j *tensorJob, limit *threshold, w *delta.Writer, o Options) (TensorReport, error) {
	choose := func(w *worker, b *block) error { return w.selectEachRow(b, o) }
	o.Factor = o.factorFor(j.name)
	switch {
	case o.keepsWhole(j.base.Shape):
		choose = func(_ *worker, b *block) error { return b.keepAll() }
		o.Factor = 0
	case o.pooled():
		if o.Budget == BudgetTensor {
			var err error
			if limit, err = ws.findThreshold(ctx, []*tensorJob{j}, o); err != nil {
				return TensorReport{}, err
			}
		}
		ties, err := ws.allotTies(ctx, j, limit, o)
		if err != nil {
			return TensorReport{}, err
		}
		choose = func(w *worker, b *block) error { return w.selectAboveThreshold(b, limit, ties) }
	}
	j.tiles = make([]delta.Tile, (j.rows+j.height-1)/j.height)
	if o.Masks {
		j.masks = make([]byte, j.rows*((j.columns+7)/8))
	}
	err := ws.pass(ctx, j, o, func(w *worker, b *block) error {
		if err := choose(w, b); err != nil {
			return err
		}
		return b.encode(o)
	})
	if err != nil {
		return TensorReport{}, err
	}
	r := TensorReport{Name: j.name, Shape: j.base.Shape, Selected: int(j.selected.Load())}
	for i := range j.tiles {
		r.Stored += j.tiles[i].Kept()
	}
	if o.Masks {
		sum := sha256.Sum256(j.masks)
		r.MaskSHA256 = hex.EncodeToString(sum[:])
	}
	return r, w.Masked(j.name, j.coding, j.height, j.columns, j.tiles)
}
