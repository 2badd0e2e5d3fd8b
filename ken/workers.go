package ken

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"kenserve/delta"
	"kenserve/internal/fault"
	"kenserve/safetensors"
)

// blockRows is the number of rows that a worker takes at a time: one tile of the
// delta, or as many one-row tiles.
const blockRows = 16

// tensorJob is the pruning of one tensor. Workers take its blocks in order and may
// finish them in any order.
type tensorJob struct {
	name        string // in the base
	base, tuned *safetensors.Tensor
	rows        int // of the base
	tunedRows   int // of the tuned checkpoint, at most rows: the rows after them are the base's
	columns     int
	height      int // rows of a tile of the delta
	coding      delta.Coding
	next        atomic.Int64 // number of the next block to take

	tiles    []delta.Tile
	masks    []byte       // packed as TensorReport.MaskSHA256 says; nil without Options.Masks
	selected atomic.Int64 // values
}

func newTensorJob(p *Pair, name string, o Options) *tensorJob {
	base, _ := p.base.Tensor(name)
	j := &tensorJob{name: name, base: base, tuned: p.tunedTensor(name), coding: o.codingFor(base.Shape)}
	j.rows, j.columns = base.Rows()
	j.tunedRows, _ = j.tuned.Rows()
	j.tunedRows = min(j.tunedRows, j.rows)
	j.height = delta.TileHeight(base.Shape, o.Table != nil && o.Table(name))
	return j
}

// blocks returns the number of blocks.
func (j *tensorJob) blocks() int { return (j.rows + blockRows - 1) / blockRows }

// workers share the blocks of one tensor after the other.
type workers []*worker

// newWorkers returns at most as many workers as there are blocks in rows rows.
func newWorkers(rows int, o Options) (workers, error) {
	n := o.Workers
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	ws := make(workers, min(n, rows/blockRows+1))
	for i := range ws {
		selector, err := newRowSelector(o.Selection, o.Seed)
		if err != nil {
			return nil, err
		}
		ws[i] = &worker{selector: selector}
	}
	return ws, nil
}

// pass reads every block of a tensor and calls f with it and the worker that has
// read it.
func (ws workers) pass(ctx context.Context, j *tensorJob, o Options, f func(w *worker, b *block) error) error {
	j.next.Store(0)
	group, ctx := errgroup.WithContext(ctx)
	for _, worker := range ws {
		group.Go(func() (err error) {
			defer fault.Contain(&err)()
			return worker.run(ctx, j, o, f)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("ken: prune tensor %s: %w", j.name, err)
	}
	return nil
}

// worker is the state of one goroutine: a selector and buffers.
type worker struct {
	selector *rowSelector
	block    block
	scores   []uint32 // of one row, see threshold.go
	counts   []int    // of scores by digit
}

// block is up to blockRows rows of a tensor.
type block struct {
	*tensorJob
	firstRow    int
	rows        int
	base, tuned []float32 // [rows, columns]
	keep        []uint64  // [rows, maskWords(columns)]
}

// row returns row r of the block, counted from 0, and its mask.
func (b *block) row(r int) (rowPair, []uint64) {
	words := maskWords(b.columns)
	return rowPair{
		tuned: b.tuned[r*b.columns:][:b.columns], base: b.base[r*b.columns:][:b.columns],
		tensor: b.name, index: b.firstRow + r,
	}, b.keep[r*words:][:words]
}

// run reads blocks of a tensor and calls f with each, until no block is left.
func (w *worker) run(ctx context.Context, j *tensorJob, o Options, f func(w *worker, b *block) error) error {
	b := &w.block
	b.tensorJob = j
	for {
		b.firstRow = (int(j.next.Add(1)) - 1) * blockRows
		if b.firstRow >= j.rows {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b.rows = min(blockRows, j.rows-b.firstRow)
		b.base = resized(b.base, b.rows*j.columns)
		b.tuned = resized(b.tuned, b.rows*j.columns)
		b.keep = resized(b.keep, b.rows*maskWords(j.columns))
		if err := b.read(); err != nil {
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

// read reads the block's rows of both tensors.
func (b *block) read() error {
	tuned := max(0, min(b.rows, b.tunedRows-b.firstRow)) * b.columns
	if err := b.tensorJob.base.Float32s(b.base, b.firstRow*b.columns); err != nil {
		return err
	}
	copy(b.tuned[tuned:], b.base[tuned:])
	if tuned == 0 {
		return nil
	}
	return b.tensorJob.tuned.Float32s(b.tuned[:tuned], b.firstRow*b.columns)
}

// resized returns x with length n, in its memory if that is large enough. The
// contents are undefined.
func resized[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
