package families_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/internal/sparse"
	"kenserve/models"
	"kenserve/models/internal/modeltest"
)

// sharedBase is a base in memory: packed once, for all tasks.
type sharedBase struct {
	weights  modeltest.Weights
	float32s map[string]*gemm.Matrix
	compute  map[string]*gemm.Matrix
}

func newSharedBase(t *testing.T, arch models.Architecture, weights modeltest.Weights, compute gemm.Compute) *sharedBase {
	b := &sharedBase{weights, map[string]*gemm.Matrix{}, map[string]*gemm.Matrix{}}
	for _, p := range arch.Parameters() {
		if p.Role == models.Matrix {
			m, err := weights.Matrix(p.Name)
			if err != nil {
				t.Fatal(err)
			}
			b.float32s[p.Name], b.compute[p.Name] = m, m.As(compute)
		}
	}
	return b
}

// randomTask is a task over a sharedBase, with random changes of every parameter. It
// implements models.Params.
type randomTask struct {
	*sharedBase
	t      *testing.T
	r      *rand.Rand
	labels int
	hot    bool
	head   map[string]models.Parameter
}

func newRandomTask(t *testing.T, b *sharedBase, arch models.Architecture, seed uint64, labels int, hot bool) models.Network {
	p := randomTask{sharedBase: b, t: t, r: rand.New(rand.NewPCG(seed, 1)), labels: labels, hot: hot, head: map[string]models.Parameter{}}
	for _, h := range arch.Head(labels) {
		p.head[h.Name] = h
	}
	n, err := arch.Bind(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// patch returns random signs for a matrix.
func (p randomTask) patch(n, k int) *sparse.Tensor {
	s := &sparse.Tensor{Coding: sparse.Sign, Height: sparse.TileRows, Columns: k, Tiles: []uint32{}, Gaps: []byte{}, Scales: []float32{0.02}}
	kept := uint32(0)
	for tile := range (n + sparse.TileRows - 1) / sparse.TileRows {
		last := -1
		for at := range sparse.TileRows * k {
			if at%sparse.TileRows+tile*sparse.TileRows < n && p.r.IntN(20) == 0 {
				s.Gaps = sparse.SignGaps.Append(s.Gaps, at-last)
				s.Gaps[len(s.Gaps)-1] |= byte(p.r.IntN(2)) << 7
				last = at
				kept++
			}
		}
		if last >= 0 {
			s.Tiles, s.Ends, s.GapEnds = append(s.Tiles, uint32(tile)), append(s.Ends, kept), append(s.GapEnds, uint32(len(s.Gaps)))
		}
	}
	if err := s.Check(n, k); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// Matrix gives most matrices of the base a sparse change. Some are the base's, and those
// of the head are the task's own.
func (p randomTask) Matrix(name string) (*gemm.Matrix, error) {
	if h, ok := p.head[name]; ok {
		n, k := h.Matrix()
		return gemm.Pack(n, k, func(_ int, dst []float32) {
			for i := range dst {
				dst[i] = float32(p.r.NormFloat64()) / 4
			}
		}), nil
	}
	m := p.compute[name]
	patch := p.patch(m.N(), m.K())
	switch choice := p.r.IntN(10); {
	case choice == 0:
		return m, nil
	case choice == 1: // dense
		overlay, err := p.float32s[name].Overlay(patch)
		if err != nil {
			return nil, err
		}
		return overlay.As(gemm.Float32), nil
	default:
		changed, err := m.Changed(patch, p.float32s[name])
		if err == nil && p.hot {
			changed = changed.Materialised(nil)
		}
		return changed, err
	}
}

func (p randomTask) Vector(name string) ([]float32, error) {
	v, err := p.weights.Vector(name)
	if h, ok := p.head[name]; ok {
		v, err = make([]float32, h.Shape[0]), nil
	}
	own := make([]float32, len(v))
	for i := range own {
		own[i] = v[i] + float32(p.r.NormFloat64())/16
	}
	return own, err
}

// Table adds the same value to the whole table.
func (p randomTask) Table(name string) (models.Table, error) {
	t, err := p.weights.Table(name)
	return shiftedTable{t, float32(p.r.NormFloat64()) / 16}, err
}

type shiftedTable struct {
	models.Table
	by float32
}

func (t shiftedTable) Row(i int, dst []float32) {
	t.Table.Row(i, dst)
	for j := range dst {
		dst[j] += t.by
	}
}

// TestLogitsOfMixedBatches: the logits of a sequence have the same bits alone and in a
// batch of several tasks, in every tier, in every compute type and on any number of
// cores.
func TestLogitsOfMixedBatches(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, dir := range append(folders(t), "../bert/testdata/plain") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			_, arch, weights := modeltest.Load(t, dir)
			goldens := modeltest.ReadGoldens(t, filepath.Join(dir, "goldens.json"))
			r := rand.New(rand.NewPCG(3, 4))
			for _, compute := range []gemm.Compute{gemm.Float32, gemm.BFloat16, gemm.Int8} {
				base := newSharedBase(t, arch, weights, compute)
				var warm, hot []models.Network
				for i := range 4 {
					warm = append(warm, newRandomTask(t, base, arch, uint64(i), i+1, false))
					hot = append(hot, newRandomTask(t, base, arch, uint64(i), i+1, true))
				}
				w, alone := models.NewWorkspace(pool), models.NewWorkspace(nil)
				for range 4 {
					var batch []modeltest.Golden
					var segments []models.Segment
					var want []float32
					for range 1 + r.IntN(8) {
						task := r.IntN(len(warm))
						for range 1 + r.IntN(3) {
							g := goldens[r.IntN(len(goldens))]
							batch = append(batch, g)
							logits := make([]float32, warm[task].Labels())
							if err := warm[task].Forward(alone, modeltest.Join(g), logits); err != nil {
								t.Fatal(err)
							}
							want = append(want, logits...)
						}
						network := warm[task]
						if r.IntN(2) == 0 {
							network = hot[task]
						}
						segments = append(segments, models.Segment{Network: network, End: len(batch)})
					}
					b := modeltest.Join(batch...)
					b.Segments = segments
					got := make([]float32, len(want))
					if err := segments[0].Network.Forward(w, b, got); err != nil {
						t.Fatal(err)
					}
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Fatalf("%s, %d segments: logits are\n%v, alone\n%v", compute, len(segments), got, want)
					}
				}
			}
		})
	}
}
