package ken

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"

	"kenserve/delta"
)

// Rows returns the number of rows that Prune reports as progress in all.
func (p *Pair) Rows(o Options) int {
	passes := 1
	if o.pooled() {
		passes += limitPasses
	}
	total := 0
	for _, name := range p.Shared {
		if o.Scope.includes(name) && !o.head(name) {
			t, _ := p.Base.Tensor(name)
			rows, _ := t.Rows()
			if o.whole(t.Shape) {
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
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, p.Rows(o)/blockRows+1)
	team := make(team, workers)
	for i := range team {
		selector, err := newRowSelector(o.Selection, o.Seed)
		if err != nil {
			return nil, err
		}
		team[i] = &pruner{selector: selector}
	}
	l := &limit{}
	if o.Budget == BudgetModel {
		var err error
		if l, err = team.limit(ctx, p.pooled(o), o); err != nil {
			return nil, err
		}
	}
	report := &Report{}
	for _, name := range p.Shared {
		if o.head(name) {
			if err := w.Dense(o.headTensor(widened(name, p.tuned(name)))); err != nil {
				return nil, fmt.Errorf("ken: prune: head: %w", err)
			}
			continue
		}
		if !o.Scope.includes(name) {
			continue
		}
		r, err := team.prune(ctx, newJob(p, name, o), l, w, o)
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
func (p *Pair) pooled(o Options) []*job {
	var jobs []*job
	for _, name := range p.Shared {
		if j := newJob(p, name, o); o.Scope.includes(name) && !o.head(name) && !o.whole(j.base.Shape) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// prune selects from a tensor and writes what is kept.
func (t team) prune(ctx context.Context, j *job, l *limit, w *delta.Writer, o Options) (TensorReport, error) {
	choose := func(w *pruner, b *block) error { return w.chooseRows(b, o) }
	o.Factor = o.factor(j.name)
	switch {
	case o.whole(j.base.Shape):
		choose = func(_ *pruner, b *block) error { return b.keepAll() }
		o.Factor = 0
	case o.pooled():
		if o.Budget == BudgetTensor {
			var err error
			if l, err = t.limit(ctx, []*job{j}, o); err != nil {
				return TensorReport{}, err
			}
		}
		ties, err := t.shareTies(ctx, j, l, o)
		if err != nil {
			return TensorReport{}, err
		}
		choose = func(w *pruner, b *block) error { return w.chooseAbove(b, l, ties) }
	}
	j.tiles = make([]delta.Tile, (j.rows+j.height-1)/j.height)
	if o.Masks {
		j.masks = make([]byte, j.rows*((j.columns+7)/8))
	}
	err := t.pass(ctx, j, o, func(w *pruner, b *block) error {
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
