package ken

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"kenserve/delta"
	"kenserve/safetensors"
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
		if !slices.ContainsFunc(p.Shared, func(name string) bool { k, _ := Kind(name); return k == group || Layer(name) == group }) {
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
		selector, err := NewSelector(o.Selection, o.Seed)
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

func (o *Options) head(name string) bool { return o.Head != nil && o.Head(name) }

// headTensor returns what is stored of a tensor of the head.
func (o *Options) headTensor(t *safetensors.Tensor) *safetensors.Tensor {
	if o.HeadTensor != nil {
		if other := o.HeadTensor(t.Name); other != nil {
			return other
		}
	}
	return t
}

// widened returns a tensor of floats in float32, under another name.
func widened(name string, t *safetensors.Tensor) *safetensors.Tensor {
	values := make([]float32, t.Len())
	if err := t.Float32s(values, 0); err != nil { // Match lets floats through only
		panic(err)
	}
	return &safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: t.Shape, Data: safetensors.Bytes(values)}
}

// blockRows is how many rows a worker takes at a time: a tile of the delta, or
// as many rows as one.
const blockRows = 16

// job is one tensor being pruned: its blocks are handed out in order and
// finish in any.
type job struct {
	name        string // in the base
	base, tuned *safetensors.Tensor
	rows        int
	columns     int
	height      int // of the delta's tiles
	coding      delta.Coding
	next        atomic.Int64 // block to hand out

	tiles    []delta.Tile
	masks    []byte // packed as TensorReport.MaskSHA256 says; nil if not asked for
	selected atomic.Int64
}

func newJob(p *Pair, name string, o Options) *job {
	base, _ := p.Base.Tensor(name)
	j := &job{name: name, base: base, tuned: p.tuned(name), coding: o.coding(base.Shape)}
	j.rows, j.columns = base.Rows()
	j.height = delta.TileHeight(base.Shape, o.Table != nil && o.Table(name))
	return j
}

// blocks returns the number of blocks.
func (j *job) blocks() int { return (j.rows + blockRows - 1) / blockRows }

// team is the workers, which share a tensor's blocks.
type team []*pruner

// pass calls f for every block of a tensor, which the worker has read.
func (t team) pass(ctx context.Context, j *job, o Options, f func(w *pruner, b *block) error) error {
	j.next.Store(0)
	group, ctx := errgroup.WithContext(ctx)
	for _, worker := range t {
		group.Go(func() error { return worker.run(ctx, j, o, f) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("ken: prune tensor %s: %w", j.name, err)
	}
	return nil
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

// pruner is one worker: a selector and buffers.
type pruner struct {
	selector *Selector
	block    block
	scores   []uint32 // of a row
	counts   []int    // of scores, see limit.go
}

// block is up to blockRows rows of a tensor.
type block struct {
	*job
	first       int       // row
	rows        int       // how many
	base, tuned []float32 // [rows, columns]
	keep        []uint64  // [rows, MaskWords(columns)]
}

// row returns row r of the block and its mask.
func (b *block) row(r int) (Row, []uint64) {
	words := MaskWords(b.columns)
	return Row{
		Tuned: b.tuned[r*b.columns:][:b.columns], Base: b.base[r*b.columns:][:b.columns],
		Tensor: b.name, Index: b.first + r,
	}, b.keep[r*words:][:words]
}

// run reads the blocks of a tensor, as long as there are any, and hands them
// to f.
func (w *pruner) run(ctx context.Context, j *job, o Options, f func(w *pruner, b *block) error) error {
	b := &w.block
	b.job = j
	for {
		b.first = (int(j.next.Add(1)) - 1) * blockRows
		if b.first >= j.rows {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b.rows = min(blockRows, j.rows-b.first)
		b.base = grow(b.base, b.rows*j.columns)
		b.tuned = grow(b.tuned, b.rows*j.columns)
		b.keep = grow(b.keep, b.rows*MaskWords(j.columns))
		if err := errors.Join(j.base.Float32s(b.base, b.first*j.columns), j.tuned.Float32s(b.tuned, b.first*j.columns)); err != nil {
			return err
		}
		if err := f(w, b); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(b.rows)
		}
	}
}

// chooseRows selects from every row by itself. Rows that training left alone
// keep nothing, unless masks are asked for.
func (w *pruner) chooseRows(b *block, o Options) error {
	k := Kept(b.columns, o.K, o.Keep)
	for r := range b.rows {
		row, keep := b.row(r)
		if !o.Masks && equalBits(row.Tuned, row.Base) {
			clear(keep)
			continue
		}
		if err := findNonFinite(row.Base, true); err != nil {
			return fmt.Errorf("row %d: %w", row.Index, err)
		}
		if err := w.selector.Select(keep, row, k); err != nil {
			return fmt.Errorf("row %d: %w", row.Index, err)
		}
	}
	return nil
}

// keepAll keeps everything.
func (b *block) keepAll() error {
	for r := range b.rows {
		row, keep := b.row(r)
		if err := checkFinite(row); err != nil {
			return err
		}
		clear(keep)
		setFirst(keep, b.columns)
	}
	return nil
}

// checkFinite returns an error that wraps a ValueError for a row with a weight that
// is not finite.
func checkFinite(row Row) error {
	err := findNonFinite(row.Base, true)
	if err == nil {
		err = findNonFinite(row.Tuned, false)
	}
	if err != nil {
		return fmt.Errorf("row %d: %w", row.Index, err)
	}
	return nil
}

// encode makes the block's tiles of what was selected.
func (b *block) encode(o Options) error {
	words := MaskWords(b.columns)
	for r := range b.rows {
		row, keep := b.row(r)
		if err := scaleChanges(row, o.Factor); err != nil {
			return err
		}
		n := 0
		for _, word := range keep {
			n += bits.OnesCount64(word)
		}
		b.selected.Add(int64(n))
		if b.masks != nil {
			packMask(b.masks[row.Index*((b.columns+7)/8):], keep, b.columns)
		}
	}
	for r := 0; r < b.rows; r += b.height {
		last := min(r+b.height, b.rows)
		index := (b.first + r) / b.height
		tile, err := delta.EncodeTile(b.coding, b.height, b.columns, index, b.keep[r*words:last*words], b.tuned[r*b.columns:last*b.columns], b.base[r*b.columns:last*b.columns])
		if err != nil {
			return err
		}
		b.tiles[index] = tile
	}
	return nil
}

// scaleChanges multiplies the changes of a row: tuned becomes
// base + factor·(tuned − base), each operation rounded to float32.
func scaleChanges(row Row, factor float64) error {
	if factor == 0 || factor == 1 {
		return nil
	}
	f := float32(factor)
	for j, b := range row.Base {
		if change := row.Tuned[j] - b; change != 0 {
			row.Tuned[j] = b + float32(f*change)
		}
	}
	if err := findNonFinite(row.Tuned, false); err != nil {
		return fmt.Errorf("row %d times %g: %w", row.Index, factor, err)
	}
	return nil
}

func grow[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}

// equalBits tells whether training left a row alone.
func equalBits(a, b []float32) bool {
	return bytes.Equal(safetensors.Bytes(a), safetensors.Bytes(b))
}

// packMask writes the first n flags to dst, 8 a byte.
func packMask(dst []byte, keep []uint64, n int) {
	var word [8]byte
	for i := 0; i < (n+7)/8; i += 8 {
		binary.LittleEndian.PutUint64(word[:], keep[i/8])
		copy(dst[i:(n+7)/8], word[:])
	}
}
