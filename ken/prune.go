package ken

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"kenserve/delta"
)

// Rows returns the number of rows that Prune reports as progress in all.
func (p *Pair) Rows(o Options) int {
	passes := 1
	if o.pooled() {
		passes += thresholdPasses
	}
	total := 0
	for _, name := range p.Shared {
		if o.Scope.includes(name) && !o.isHead(name) {
			t, _ := p.Base.Tensor(name)
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

// Prune selects from the tensors that the pair shares, and writes the kept
// values and the head to w. It works tensor by tensor, each tensor's rows on
// all workers; the result does not depend on their number. A budget for more
// than a row takes two passes more over what shares it. The caller finishes w.
func Prune(ctx context.Context, p *Pair, w *delta.Writer, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	for group := range o.Factors {
		if !slices.ContainsFunc(p.Shared, func(name string) bool { k, _ := kindOf(name); return k == group || layerOf(name) == group }) {
			return nil, fmt.Errorf("ken: there is a factor for %s, and no tensor of that kind or layer", group)
		}
	}
	team, err := newWorkers(p.Rows(o), o)
	if err != nil {
		return nil, err
	}
	l := &threshold{}
	if o.Budget == BudgetModel {
		if l, err = team.findThreshold(ctx, p.pooledJobs(o), o); err != nil {
			return nil, err
		}
	}
	report := &Report{}
	for _, name := range p.Shared {
		if o.isHead(name) {
			if err := w.Dense(o.headTensor(widenToFloat32(name, p.tunedTensor(name)))); err != nil {
				return nil, fmt.Errorf("ken: prune: head: %w", err)
			}
			continue
		}
		if !o.Scope.includes(name) {
			continue
		}
		r, err := team.prune(ctx, newTensorJob(p, name, o), l, w, o)
		if err != nil {
			return nil, err
		}
		report.Tensors = append(report.Tensors, r)
	}
	for _, name := range p.Head {
		t, _ := p.Tuned.Tensor(name)
		if err := w.Dense(o.headTensor(t)); err != nil {
			return nil, fmt.Errorf("ken: prune: head: %w", err)
		}
	}
	return report, nil
}

// pooled lists the tensors that share a model's budget.
func (p *Pair) pooledJobs(o Options) []*tensorJob {
	var jobs []*tensorJob
	for _, name := range p.Shared {
		if j := newTensorJob(p, name, o); o.Scope.includes(name) && !o.isHead(name) && !o.keepsWhole(j.base.Shape) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// prune selects from a tensor and writes what is kept.
func (ws workers) prune(ctx context.Context, j *tensorJob, l *threshold, w *delta.Writer, o Options) (TensorReport, error) {
	choose := func(w *worker, b *block) error { return w.selectEachRow(b, o) }
	o.Factor = o.factorFor(j.name)
	switch {
	case o.keepsWhole(j.base.Shape):
		choose = func(_ *worker, b *block) error { return b.keepAll() }
		o.Factor = 0
	case o.pooled():
		if o.Budget == BudgetTensor {
			var err error
			if l, err = ws.findThreshold(ctx, []*tensorJob{j}, o); err != nil {
				return TensorReport{}, err
			}
		}
		ties, err := ws.allotTies(ctx, j, l, o)
		if err != nil {
			return TensorReport{}, err
		}
		choose = func(w *worker, b *block) error { return w.selectAboveThreshold(b, l, ties) }
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
