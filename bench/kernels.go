package bench

import (
	"fmt"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"time"

	"kenserve/gemm"
	"kenserve/gemm/kernel"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
)

// KernelReport compares matrix products and patching with the limits of the machine.
type KernelReport struct {
	Kernels string `json:"kernels"`
	Threads int    `json:"threads"`
	// PeakGFLOPS is the rate of one core in a loop of fused multiply-adds on registers,
	// in 10⁹ operations a second. CopyGBPS is the rate at which one core copies to fresh
	// memory, in 10⁹ bytes a second, read and written bytes together.
	PeakGFLOPS float64       `json:"peak_gflops"`
	CopyGBPS   float64       `json:"copy_gbps"`
	Products   []ProductCost `json:"products"`
	Patches    []PatchCost   `json:"patches"`
}

// ProductCost is the speed of a product of [Rows, K] inputs and a matrix [N, K].
type ProductCost struct {
	Rows   int     `json:"rows"`
	N      int     `json:"n"`
	K      int     `json:"k"`
	Single float64 `json:"of_peak"`             // one core, as a share of its peak
	All    float64 `json:"of_peak_all_threads"` // all threads, as a share of their peak together
}

// PatchCost is the cost of a task's kept values in a matrix [N, K]: the time to
// materialise the matrix, as a ratio to copying it, and the time of a product that
// patches panels on the fly, as a ratio to a plain product.
type PatchCost struct {
	Coding      string    `json:"coding"`
	Keep        float64   `json:"keep"` // share of values kept
	N           int       `json:"n"`
	K           int       `json:"k"`
	Materialise float64   `json:"materialise_to_copy"`
	Rows        []int     `json:"rows"`             // of the inputs
	Overlay     []float64 `json:"overlay_to_plain"` // for each of Rows
}

// The measured matrices, [outputs, inputs].
var (
	// productShapes are the dense layers of MiniLM-L6 and BERT-base.
	productShapes = [][2]int{{384, 384}, {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}}
	productRows   = []int{8, 32, 128, 512}
	patchShapes   = [][2]int{{1536, 384}, {3072, 768}}
	patchForms    = []patchForm{{"f32", 0.5}, {"int8", 0.25}, {"sign", 0.1}, {"sign", 0.02}}
)

// patchForm is a coding of kept values and the share of values kept.
type patchForm struct {
	coding string
	keep   float64
}

// KernelFigures returns how often Kernels calls progress.
func KernelFigures() int {
	return len(productShapes)*len(productRows) + len(patchForms)*len(patchShapes)
}

// Kernels measures each figure for the duration, and calls progress with 1 after each
// product and each patch. Threads in the report is GOMAXPROCS.
func Kernels(duration time.Duration, progress func(figures int)) (*KernelReport, error) {
	f := &KernelReport{Threads: goruntime.GOMAXPROCS(0), PeakGFLOPS: kernel.Peak(duration) / 1e9}
	level, _ := kernel.CurrentLevel()
	f.Kernels = level.String()
	pool := parallel.NewPool(f.Threads)
	defer pool.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range productShapes {
		n, k := shape[0], shape[1]
		m := randomMatrix(rng, n, k)
		for _, r := range productRows {
			flops := 2 * float64(r) * float64(n) * float64(k)
			one := fastest(duration, product(rng, m, nil, r))
			all := fastest(duration, product(rng, m, pool, r))
			f.Products = append(f.Products, ProductCost{
				Rows: r, N: n, K: k,
				Single: flops / one.Seconds() / 1e9 / f.PeakGFLOPS,
				All:    flops / all.Seconds() / 1e9 / f.PeakGFLOPS / float64(f.Threads),
			})
			progress(1)
		}
	}
	for _, shape := range patchShapes {
		for _, form := range patchForms {
			p, copyRate, err := measurePatch(duration, rng, shape[0], shape[1], form)
			if err != nil {
				return nil, fmt.Errorf("bench: %w", err)
			}
			f.Patches = append(f.Patches, p)
			f.CopyGBPS = max(f.CopyGBPS, copyRate/1e9)
			progress(1)
		}
	}
	return f, nil
}

// fastest runs f for the duration, at least twice, and returns the time of the fastest
// run after the first.
func fastest(duration time.Duration, f func()) time.Duration {
	f()
	best := time.Hour
	for end := time.Now().Add(duration); ; {
		start := time.Now()
		f()
		now := time.Now()
		best = min(best, now.Sub(start))
		if now.After(end) {
			return best
		}
	}
}

// product returns a function that multiplies random inputs [rows, K] by the matrix m.
func product(rng *rand.Rand, m *gemm.Matrix, pool *parallel.Pool, rows int) func() {
	a, out := randomRows(rng, rows, m.K()), randomRows(rng, rows, m.N())
	return func() { m.Mul(pool, out, a, gemm.Epilogue{}) }
}

// measurePatch measures one form on a matrix [n, k]. copyRate is the rate of copying the
// matrix, in bytes a second, read and written bytes together.
func measurePatch(duration time.Duration, rng *rand.Rand, n, k int, form patchForm) (f PatchCost, copyRate float64, err error) {
	m := randomMatrix(rng, n, k)
	p := randomPatch(rng, n, k, form)
	if err := p.Check(n, k); err != nil {
		return f, 0, err
	}
	f = PatchCost{Coding: form.coding, Keep: form.keep, N: n, K: k, Rows: []int{1, 8, 32, 128}}
	overlay, err := m.Overlay(p)
	if err != nil {
		return f, 0, err
	}
	copying, patching, err := materialise(duration, rng, n, k, p)
	if err != nil {
		return f, 0, err
	}
	f.Materialise = patching.Seconds() / copying.Seconds()
	for _, rows := range f.Rows {
		f.Overlay = append(f.Overlay, fastest(duration, product(rng, overlay, nil, rows)).Seconds()/fastest(duration, product(rng, m, nil, rows)).Seconds())
	}
	return f, 2 * float64(m.Bytes()) / copying.Seconds(), nil
}

// taskBytes is the size of all matrices that are materialised one after the other. It is
// about that of a task, so that matrices come from memory and not from the caches: with
// a single matrix over and over, copying was measured twice as fast.
const taskBytes = 48 << 20

// materialise returns the shortest time to copy a matrix [n, k] and to materialise it
// with a patch, each as one of many matrices of the size of a task.
func materialise(duration time.Duration, rng *rand.Rand, n, k int, p *sparse.Tensor) (copying, patching time.Duration, err error) {
	const minRounds = 4
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
	end := time.Now().Add(duration)
	for round := 0; round < minRounds || time.Now().Before(end); round++ {
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

// randomPatch keeps values at random positions of a matrix [n, k], where n is a multiple
// of a tile's rows. Positions are masks, or gaps for the coding sign.
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
