package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"text/tabwriter"
	"time"

	"kenserve/gemm"
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
)

type benchKernelsCmd struct {
	Threads int           `placeholder:"N" help:"Cores to use for products (default: all)."`
	Time    time.Duration `default:"100ms" placeholder:"TIME" help:"How long each figure is measured (default ${default})."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// kernelFigures is what bench kernels prints.
type kernelFigures struct {
	Kernels string `json:"kernels"`
	Threads int    `json:"threads"`
	// PeakGFLOPS is what one core reaches in a loop of multiplications and
	// additions on registers alone, and CopyGBPS what one core copies into fresh
	// memory, read and written bytes together.
	PeakGFLOPS float64         `json:"peak_gflops"`
	CopyGBPS   float64         `json:"copy_gbps"`
	Products   []productFigure `json:"products"`
	Patches    []patchFigure   `json:"patches"`
}

// productFigure is a product of rows by a matrix of n outputs and k inputs.
type productFigure struct {
	Rows   int     `json:"rows"`
	N      int     `json:"n"`
	K      int     `json:"k"`
	Single float64 `json:"of_peak"`             // share of the peak, one core
	All    float64 `json:"of_peak_all_threads"` // share of all cores' peak
}

// patchFigure is what a task's kept values cost: the time to materialise a
// matrix as a ratio to copying it, and that of a product whose panels are
// patched on the fly as a ratio to the plain one.
type patchFigure struct {
	Coding      string    `json:"coding"`
	Keep        float64   `json:"keep"`
	N           int       `json:"n"`
	K           int       `json:"k"`
	Materialise float64   `json:"materialise_to_copy"`
	Rows        []int     `json:"rows"`
	Overlay     []float64 `json:"overlay_to_plain"` // for each of Rows
}

// productShapes are the dense layers [outputs, inputs] of MiniLM-L6 and
// BERT-base.
var productShapes = [][2]int{{384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}}

func (c *benchKernelsCmd) Run(s streams) error {
	if c.Threads < 0 || c.Time < 0 {
		return usageError{fmt.Errorf("bench: --threads %d, --time %v: neither may be negative", c.Threads, c.Time)}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	f := kernelFigures{Threads: goruntime.GOMAXPROCS(0), PeakGFLOPS: kernel.Peak(c.Time) / 1e9}
	level, _ := kernel.CurrentLevel()
	f.Kernels = level.String()
	pool := parallel.NewPool(f.Threads)
	defer pool.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	rows := []int{8, 32, 128, 512}
	bar := newProgress(s.err, "figures", len(productShapes)*len(rows)+len(patchForms)*2)
	for _, shape := range productShapes {
		n, k := shape[0], shape[1]
		m := randomMatrix(rng, n, k)
		for _, r := range rows {
			flops := 2 * float64(r) * float64(n) * float64(k)
			one := c.fastest(product(rng, m, nil, r))
			all := c.fastest(product(rng, m, pool, r))
			f.Products = append(f.Products, productFigure{
				Rows: r, N: n, K: k,
				Single: flops / one.Seconds() / 1e9 / f.PeakGFLOPS,
				All:    flops / all.Seconds() / 1e9 / f.PeakGFLOPS / float64(f.Threads),
			})
			bar.add(1)
		}
	}
	for _, shape := range [][2]int{{1536, 384}, {3072, 768}} {
		for _, form := range patchForms {
			p, copied, err := c.patch(rng, shape[0], shape[1], form)
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			f.Patches = append(f.Patches, p)
			f.CopyGBPS = max(f.CopyGBPS, copied/1e9)
			bar.add(1)
		}
	}
	bar.finish()
	if c.JSON {
		return json.NewEncoder(s.out).Encode(f)
	}
	return f.print(s)
}

// fastest returns the shortest of the runs of f that fit the time.
func (c *benchKernelsCmd) fastest(f func()) time.Duration {
	f()
	best := time.Hour
	for end := time.Now().Add(c.Time); ; {
		start := time.Now()
		f()
		now := time.Now()
		best = min(best, now.Sub(start))
		if now.After(end) {
			return best
		}
	}
}

// product returns a function that multiplies rows by m.
func product(rng *rand.Rand, m *gemm.Matrix, pool *parallel.Pool, rows int) func() {
	a, out := randomRows(rng, rows, m.K()), randomRows(rng, rows, m.N())
	return func() { m.Mul(pool, out, a, gemm.Epilogue{}) }
}

// patchForm is how densely a patch keeps values, and how it codes them.
type patchForm struct {
	coding string
	keep   float64
}

var patchForms = []patchForm{{"f32", 0.5}, {"int8", 0.25}, {"sign", 0.1}, {"sign", 0.02}}

// patch measures one form on a matrix. copied is the rate of copying it, in
// bytes read and written a second.
func (c *benchKernelsCmd) patch(rng *rand.Rand, n, k int, form patchForm) (f patchFigure, copied float64, err error) {
	m := randomMatrix(rng, n, k)
	p := randomPatch(rng, n, k, form)
	if err := p.Check(n, k); err != nil {
		return f, 0, err
	}
	f = patchFigure{Coding: form.coding, Keep: form.keep, N: n, K: k, Rows: []int{1, 8, 32, 128}}
	overlay, err := m.Overlay(p)
	if err != nil {
		return f, 0, err
	}
	copying, patching, err := c.materialise(rng, n, k, p)
	if err != nil {
		return f, 0, err
	}
	f.Materialise = patching.Seconds() / copying.Seconds()
	for _, rows := range f.Rows {
		f.Overlay = append(f.Overlay, c.fastest(product(rng, overlay, nil, rows)).Seconds()/c.fastest(product(rng, m, nil, rows)).Seconds())
	}
	return f, 2 * float64(m.Bytes()) / copying.Seconds(), nil
}

// taskBytes is the size of the matrices that are materialised one after the other:
// those of a task are read from memory, and written to it.
const taskBytes = 48 << 20

// materialise returns the shortest times to copy a matrix and to materialise it
// with a patch, each after others that make a task.
func (c *benchKernelsCmd) materialise(rng *rand.Rand, n, k int, p *sparse.Tensor) (copying, patching time.Duration, err error) {
	const least = 4 // times that each is done
	count := taskBytes/(4*n*k) + 1
	panels, overlays := make([][]float32, count), make([]*gemm.Matrix, count)
	for i := range panels {
		m := randomMatrix(rng, n, k)
		if overlays[i], err = m.Overlay(p); err != nil {
			return 0, 0, err
		}
		panels[i] = slices.Repeat([]float32{1}, int(m.Bytes()/4))
	}
	copies, matrices := make([][]float32, count), make([]*gemm.Matrix, count)
	copying, patching = time.Hour, time.Hour
	end := time.Now().Add(c.Time)
	for round := 0; round < least || time.Now().Before(end); round++ {
		for i := range panels {
			start := time.Now()
			copies[i] = append([]float32(nil), panels[i]...)
			copying = min(copying, time.Since(start))
		}
		for i := range overlays {
			start := time.Now()
			matrices[i] = overlays[i].Materialised(nil)
			patching = min(patching, time.Since(start))
		}
	}
	return copying, patching, nil
}

func randomMatrix(rng *rand.Rand, n, k int) *gemm.Matrix {
	return gemm.Pack(n, k, func(_ int, dst []float32) {
		for i := range dst {
			dst[i] = rng.Float32() - 0.5
		}
	})
}

func randomRows(rng *rand.Rand, rows, cols int) gemm.View {
	stride := gemm.Stride(cols)
	v := gemm.View{Data: make([]float32, rows*stride), Rows: rows, Cols: cols, Stride: stride}
	for i := range v.Data {
		v.Data[i] = rng.Float32() - 0.5
	}
	return v
}

// randomPatch keeps values at random places of a matrix whose outputs fill
// whole tiles: dense ones under masks, sparse signs between gaps.
func randomPatch(rng *rand.Rand, n, k int, form patchForm) *sparse.Tensor {
	const rows = sparse.TileRows
	p := &sparse.Tensor{Coding: sparse.Coding(form.coding), Height: rows, Columns: k}
	kept := uint32(0)
	for tile := range n / rows {
		gap := 0
		for range k {
			mask := uint16(0)
			for r := range rows {
				if rng.Float64() >= form.keep {
					gap++
					continue
				}
				mask |= 1 << r
				kept++
				for ; form.coding == "sign" && gap >= 127; gap -= 127 {
					p.Gaps = append(p.Gaps, 127)
				}
				p.Gaps = append(p.Gaps, byte(gap)|byte(rng.IntN(2))<<7)
				gap = 0
				p.Float32s = append(p.Float32s, rng.Float32())
				p.Int8s = append(p.Int8s, int8(rng.IntN(255)-127))
			}
			p.Mask16 = append(p.Mask16, mask)
		}
		p.Tiles = append(p.Tiles, uint32(tile))
		p.Ends = append(p.Ends, kept)
		p.GapEnds = append(p.GapEnds, uint32(len(p.Gaps)))
		for range rows {
			p.Scales = append(p.Scales, rng.Float32())
		}
	}
	switch form.coding {
	case "f32":
		p.Gaps, p.GapEnds, p.Int8s, p.Scales = nil, nil, nil, nil
	case "int8":
		p.Gaps, p.GapEnds, p.Float32s = nil, nil, nil
	case "sign":
		p.Mask16, p.Float32s, p.Int8s = nil, nil, nil
	}
	return p
}

func (f *kernelFigures) print(s streams) error {
	fmt.Fprintf(s.out, "%s kernels: peak %.1f GFLOP/s a core; copying %.1f GB/s, read and written\n\n", f.Kernels, f.PeakGFLOPS, f.CopyGBPS)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "product\trows\tof peak\tof %d cores' peak\t\n", f.Threads)
	for _, p := range f.Products {
		fmt.Fprintf(w, "%d×%d\t%d\t%.2f\t%.2f\t\n", p.N, p.K, p.Rows, p.Single, p.All)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(s.out, "\nmaterialise: time as a ratio to copying, one after the other as a task has them; rows: a patched product to a plain one\n")
	fmt.Fprint(w, "patch\tkept\tmatrix\tmaterialise")
	for _, rows := range f.Patches[0].Rows {
		fmt.Fprintf(w, "\t%d rows", rows)
	}
	fmt.Fprintln(w, "\t")
	for _, p := range f.Patches {
		fmt.Fprintf(w, "%s\t%g\t%d×%d\t%.2f", p.Coding, p.Keep, p.N, p.K, p.Materialise)
		for _, o := range p.Overlay {
			fmt.Fprintf(w, "\t%.2f", o)
		}
		fmt.Fprintln(w, "\t")
	}
	return w.Flush()
}
