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
	"regexp"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"kenserve/delta"
	"kenserve/safetensors"
)

// Scope says which tensors a selection may keep values of; all others go back
// to the base whole.
type Scope string

// The scopes, the paper's two variants.
const (
	ScopeAll       Scope = "all"       // every tensor that base and tuned share
	ScopeAttention Scope = "attention" // those of the encoder's layers
)

// ParseScope returns the scope of that name.
func ParseScope(name string) (Scope, error) {
	switch s := Scope(name); s {
	case ScopeAll, ScopeAttention:
		return s, nil
	}
	return "", fmt.Errorf("ken: unknown scope %q: it is %q or %q", name, ScopeAll, ScopeAttention)
}

// layerName matches the tensors of numbered layers, in any architecture:
// encoder.layer.3.…, transformer.layer.3.…, h.3.…
var layerName = regexp.MustCompile(`(^|\.)(layers?|blocks?|h)\.[0-9]+\.`)

func (s Scope) includes(name string) bool { return s != ScopeAttention || layerName.MatchString(name) }

// Options say how a checkpoint is pruned.
type Options struct {
	Selection Selection
	K         int     // values kept per row; 0: Keep decides
	Keep      float64 // share of a row's width kept, in (0, 1]
	Scope     Scope   // empty: ScopeAll
	Coding    delta.Coding
	Seed      uint64 // of the selection random
	Workers   int    // goroutines; 0: one for each processor

	// Table tells the base's matrices whose rows are looked up one by one
	// (embeddings) and which are therefore stored row by row; nil: none.
	Table func(name string) bool

	// Head tells the tensors of the base that belong to a classifier of its own
	// and that the tuned checkpoint has trained on: as parts of the task's head
	// they are stored whole. nil: none.
	Head func(name string) bool

	// Masks asks for the digest of every tensor's mask in the report.
	// Rows that training left alone are then selected from as well.
	Masks bool

	// Progress, if not nil, is called as rows are done, from several
	// goroutines.
	Progress func(rows int)
}

// Validate tells what is wrong with the options.
func (o *Options) Validate() error {
	_, errSelection := ParseSelection(string(o.Selection))
	var errScope error
	if o.Scope != "" {
		_, errScope = ParseScope(string(o.Scope))
	}
	_, errCoding := delta.ParseCoding(string(o.Coding))
	var errKeep error
	switch {
	case o.K < 0:
		errKeep = fmt.Errorf("ken: k is %d: it must be positive", o.K)
	case o.K > 0 && o.Keep != 0:
		errKeep = errors.New("ken: k and a keep fraction are both given")
	case o.K == 0 && !(o.Keep > 0 && o.Keep <= 1):
		errKeep = fmt.Errorf("ken: the keep fraction is %g: it must be above 0 and at most 1", o.Keep)
	}
	return errors.Join(errSelection, errScope, errCoding, errKeep)
}

// Report tells what pruning kept.
type Report struct {
	Tensors []TensorReport `json:"tensors"` // in the order of their names in the base
}

// TensorReport tells what was kept of one tensor.
type TensorReport struct {
	Name     string `json:"name"` // in the base
	Shape    []int  `json:"shape"`
	Selected int    `json:"selected"` // values that the selection marked
	Stored   int    `json:"stored"`   // those of them that differ from the base

	// MaskSHA256 is the SHA-256 of the selection's mask: the rows packed 8
	// flags a byte, least significant bit first, each row padded to a whole
	// byte. Only with [Options.Masks].
	MaskSHA256 string `json:"mask_sha256,omitempty"`
}

// Rows returns the number of rows that Prune will work through.
func (p *Pair) Rows(o Options) int {
	total := 0
	for _, name := range p.Shared {
		if o.Scope.includes(name) && !o.head(name) {
			t, _ := p.Base.Tensor(name)
			rows, _ := t.Rows()
			total += rows
		}
	}
	return total
}

// Prune selects from every row of the tensors that the pair shares, and writes
// the kept values and the head to w. It works tensor by tensor, each tensor's
// rows on all workers; the result does not depend on their number. The caller
// finishes w.
func Prune(ctx context.Context, p *Pair, w *delta.Writer, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	workers := o.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, p.Rows(o)/blockRows+1)
	pruners := make([]*pruner, workers)
	for i := range pruners {
		selector, err := NewSelector(o.Selection, o.Seed)
		if err != nil {
			return nil, err
		}
		pruners[i] = &pruner{selector: selector}
	}
	report := &Report{}
	for _, name := range p.Shared {
		if o.head(name) {
			if err := w.Dense(widened(name, p.tuned(name))); err != nil {
				return nil, fmt.Errorf("ken: prune: head: %w", err)
			}
			continue
		}
		if !o.Scope.includes(name) {
			continue
		}
		r, err := pruneTensor(ctx, p, name, w, o, pruners)
		if err != nil {
			return nil, err
		}
		report.Tensors = append(report.Tensors, r)
	}
	for _, name := range p.Head {
		t, _ := p.Tuned.Tensor(name)
		if err := w.Dense(t); err != nil {
			return nil, fmt.Errorf("ken: prune: head: %w", err)
		}
	}
	return report, nil
}

func (o *Options) head(name string) bool { return o.Head != nil && o.Head(name) }

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
	k           int
	next        atomic.Int64 // block to hand out
	tiles       []delta.Tile
	masks       []byte // packed as TensorReport.MaskSHA256 says; nil if not asked for
	selected    atomic.Int64
}

func pruneTensor(ctx context.Context, p *Pair, name string, w *delta.Writer, o Options, pruners []*pruner) (TensorReport, error) {
	base, _ := p.Base.Tensor(name)
	j := &job{name: name, base: base, tuned: p.tuned(name)}
	j.rows, j.columns = base.Rows()
	j.height = delta.TileHeight(base.Shape, o.Table != nil && o.Table(name))
	j.k = KeptPerRow(j.columns, o.K, o.Keep)
	j.tiles = make([]delta.Tile, (j.rows+j.height-1)/j.height)
	if o.Masks {
		j.masks = make([]byte, j.rows*((j.columns+7)/8))
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, worker := range pruners {
		group.Go(func() error { return worker.run(ctx, j, o) })
	}
	if err := group.Wait(); err != nil {
		return TensorReport{}, fmt.Errorf("ken: prune tensor %s: %w", name, err)
	}
	r := TensorReport{Name: name, Shape: base.Shape, Selected: int(j.selected.Load())}
	for i := range j.tiles {
		r.Stored += j.tiles[i].Kept()
	}
	if o.Masks {
		sum := sha256.Sum256(j.masks)
		r.MaskSHA256 = hex.EncodeToString(sum[:])
	}
	return r, w.Masked(name, o.Coding, j.height, j.columns, j.tiles)
}

// pruner is one worker's selector and buffers.
type pruner struct {
	selector    *Selector
	base, tuned []float32 // [blockRows, columns]
	keep        []uint64  // [blockRows, MaskWords(columns)]
}

func (w *pruner) run(ctx context.Context, j *job, o Options) error {
	words := MaskWords(j.columns)
	w.base = grow(w.base, blockRows*j.columns)
	w.tuned = grow(w.tuned, blockRows*j.columns)
	w.keep = grow(w.keep, blockRows*words)
	for {
		first := (int(j.next.Add(1)) - 1) * blockRows
		if first >= j.rows {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := min(blockRows, j.rows-first)
		base, tuned := w.base[:rows*j.columns], w.tuned[:rows*j.columns]
		if err := errors.Join(j.base.Float32s(base, first*j.columns), j.tuned.Float32s(tuned, first*j.columns)); err != nil {
			return err
		}
		for r := range rows {
			row := Row{Tuned: tuned[r*j.columns:][:j.columns], Base: base[r*j.columns:][:j.columns], Tensor: j.name, Index: first + r}
			keep := w.keep[r*words:][:words]
			if !o.Masks && equalBits(row.Tuned, row.Base) {
				clear(keep)
				continue
			}
			if err := findNonFinite(row.Base, true); err != nil {
				return fmt.Errorf("row %d: %w", first+r, err)
			}
			if err := w.selector.Select(keep, row, j.k); err != nil {
				return fmt.Errorf("row %d: %w", first+r, err)
			}
			for _, word := range keep {
				j.selected.Add(int64(bits.OnesCount64(word)))
			}
			if j.masks != nil {
				packMask(j.masks[(first+r)*((j.columns+7)/8):], keep, j.columns)
			}
		}
		for r := 0; r < rows; r += j.height {
			last := min(r+j.height, rows)
			tile, err := delta.EncodeTile(o.Coding, j.height, j.columns, (first+r)/j.height, w.keep[r*words:last*words], tuned[r*j.columns:last*j.columns], base[r*j.columns:last*j.columns])
			if err != nil {
				return err
			}
			j.tiles[(first+r)/j.height] = tile
		}
		if o.Progress != nil {
			o.Progress(rows)
		}
	}
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
