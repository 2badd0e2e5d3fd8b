package families_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/models/internal/modeltest"
)

var dropout = grad.Dropout{Hidden: 0.2, Attention: 0.3, Seed: 7}

// gradientsOf returns the gradients of all parameters for the goldens of a folder, in batches
// of size sequences.
func gradientsOf(t testing.TB, dir string, o grad.Options, size int, m grad.Mode) [][]float32 {
	t.Helper()
	e, _, goldens := trainable(t, dir, o)
	// Rows of tables are in the order in which they are seen; make it the same.
	for _, p := range e.Parameters() {
		if p.Role == models.Embedding {
			rows := make([]int32, p.Shape[0])
			for i := range rows {
				rows[i] = int32(i)
			}
			p.AddRows(rows)
		}
	}
	for first := 0; first < len(goldens); first += size {
		pass(t, e, first, goldens[first:min(first+size, len(goldens))], m)
	}
	var list [][]float32
	for _, p := range e.Parameters() {
		list = append(list, p.Grad)
	}
	return list
}

// TestGradientBits: gradients have the same bits for any number of workers, whatever is kept
// in memory, and with batches divided in any way.
func TestGradientBits(t *testing.T) {
	two, three := parallel.NewPool(2), parallel.NewPool(3)
	defer two.Close()
	defer three.Close()
	for _, dir := range gradientFolders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			mode := grad.Mode{Step: 3}
			want := gradientsOf(t, dir, grad.Options{Dropout: dropout}, 100, mode)
			for _, c := range []struct {
				name    string
				options grad.Options
				size    int
			}{
				{"two workers and some memory", grad.Options{Pool: two, Keep: 100_000}, 100},
				{"three workers and little memory", grad.Options{Pool: three, Keep: 1}, 100},
				{"batches of three", grad.Options{}, 3},
			} {
				c.options.Dropout = dropout
				got := gradientsOf(t, dir, c.options, c.size, mode)
				for i := range want {
					name := fmt.Sprint(c.name, ", parameter ", i)
					if c.size < 100 && strings.HasPrefix(filepath.Base(dir), "deberta") {
						// The sums over distances are over those of a batch, so that they are
						// added up in another order.
						closeValues(t, name, got[i], want[i], 1e-5)
						continue
					}
					sameValues(t, name, got[i], want[i])
				}
			}
		})
	}
}

// sameValues compares bits.
func sameValues(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: value %d is %v, want %v", name, i, got[i], want[i])
			return
		}
	}
}

// closeValues compares values, with an error relative to the norm.
func closeValues(t *testing.T, name string, got, want []float32, allowed float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	norm := 1.0 // the gradients of keys' biases are zero but for rounding
	for _, x := range want {
		norm += float64(x) * float64(x)
	}
	norm = math.Sqrt(norm)
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= allowed*norm) {
			t.Errorf("%s: value %d is %v, want %v (norm %v)", name, i, got[i], want[i], norm)
			return
		}
	}
}

// TestKeptGradients: with kept positions, gradients are those of full training at these
// positions, and there are none elsewhere.
func TestKeptGradients(t *testing.T) {
	for _, dir := range gradientFolders(t) {
		full, _, goldens := trainable(t, dir, grad.Options{})
		kept, _, _ := trainable(t, dir, grad.Options{})
		r := rand.New(rand.NewPCG(1, 1))
		positions := make([][]int, len(kept.Parameters()))
		for i, p := range kept.Parameters() {
			if i%4 == 3 {
				p.Freeze()
				continue
			}
			for x := range elements(p.Shape) {
				if r.IntN(4) == 0 {
					positions[i] = append(positions[i], x)
				}
			}
			if err := p.Keep(positions[i]); err != nil {
				t.Fatal(err)
			}
			if err := p.Keep(positions[i]); err == nil {
				t.Errorf("%s was kept twice", p.Name)
			}
		}
		pass(t, full, 0, goldens, grad.Mode{})
		pass(t, kept, 0, goldens, grad.Mode{})
		for i, p := range kept.Parameters() {
			all := gradient(full.Parameters()[i])
			var want []float32
			for _, x := range positions[i] {
				want = append(want, float32(all[x]))
			}
			if len(p.Values) != len(want) {
				t.Fatalf("%s: %s has %d values, want %d", dir, p.Name, len(p.Values), len(want))
			}
			closeValues(t, dir+" "+p.Name, p.Grad, want, 1e-5)
		}
	}
}

// loss returns the loss of make_gradients.py.
func loss(t testing.TB, e *grad.Encoder, goldens []modeltest.Golden, m grad.Mode) float64 {
	t.Helper()
	logits, err := e.Features(modeltest.Join(goldens...), m)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for s := range logits.Rows {
		for l, x := range logits.Row(s) {
			sum += float64(x) * float64(weightOf(s, l))
		}
	}
	return sum
}

// TestFiniteDifferences: along a random direction in all trained values, the loss changes as
// the gradients say; also with dropout, whose choices stay the same.
func TestFiniteDifferences(t *testing.T) {
	for _, dir := range gradientFolders(t) {
		for _, c := range []struct {
			name string
			drop grad.Dropout
			keep bool
		}{{"full", grad.Dropout{}, false}, {"dropout", dropout, false}, {"kept", dropout, true}} {
			e, _, goldens := trainable(t, dir, grad.Options{Dropout: c.drop})
			r := rand.New(rand.NewPCG(2, 2))
			for _, p := range e.Parameters() {
				if !c.keep {
					break
				}
				var positions []int
				for x := range elements(p.Shape) {
					if r.IntN(3) == 0 {
						positions = append(positions, x)
					}
				}
				if err := p.Keep(positions); err != nil {
					t.Fatal(err)
				}
			}
			goldens = goldens[:8]
			mode := grad.Mode{Train: true, Step: 5}
			pass(t, e, 0, goldens, mode)
			// The direction of the gradient, a little disturbed: other directions change
			// the loss too little to be seen in float32.
			var direction, start [][]float32
			length := 0.0
			for _, p := range e.Parameters() {
				var d []float32
				for i, g := range p.Grad {
					if p.Position(i) < 0 {
						d = append(d, 0)
						continue
					}
					d = append(d, g*float32(0.5+r.Float64()))
					length += float64(d[i]) * float64(d[i])
				}
				direction, start = append(direction, d), append(start, slices.Clone(p.Values))
			}
			length = math.Sqrt(length)
			slope := 0.0
			for i, p := range e.Parameters() {
				for j, d := range direction[i] {
					slope += float64(d) / length * float64(p.Grad[j])
				}
			}
			at := func(h float64) float64 {
				for i, p := range e.Parameters() {
					for j, d := range direction[i] {
						p.Values[j] = start[i][j] + float32(h*float64(d)/length)
					}
				}
				e.Updated()
				return loss(t, e, goldens, mode)
			}
			const h = 3e-4 // small, because ReLU has kinks
			got := (at(h) - at(-h)) / (2 * h)
			if !(math.Abs(got-slope) <= 2e-2*math.Abs(slope)) {
				t.Errorf("%s, %s: the loss changes by %v, the gradients say %v", dir, c.name, got, slope)
			}
		}
	}
}

// TestBFloat16Gradients: with rounded products, gradients are near those of float32 ones.
func TestBFloat16Gradients(t *testing.T) {
	pool := parallel.NewPool(2)
	defer pool.Close()
	for _, dir := range gradientFolders(t) {
		// The weights are much larger than usual, and so is what rounding does.
		want := gradientsOf(t, dir, grad.Options{}, 100, grad.Mode{})
		got := gradientsOf(t, dir, grad.Options{Compute: gemm.BFloat16}, 100, grad.Mode{})
		shared := gradientsOf(t, dir, grad.Options{Compute: gemm.BFloat16, Pool: pool}, 100, grad.Mode{})
		var all, wrong float64
		for i := range want {
			sameValues(t, fmt.Sprint(dir, " with two workers, parameter ", i), shared[i], got[i])
			for j, x := range want[i] {
				d := float64(got[i][j]) - float64(x)
				all, wrong = all+float64(x)*float64(x), wrong+d*d
			}
		}
		if e := math.Sqrt(wrong / all); !(e < 0.25) || e == 0 {
			t.Errorf("%s: gradients differ by %v of their norm", dir, e)
		}
	}
}

// TestShown: the forward pass uses Shown in place of Values, and Values again without it.
func TestShown(t *testing.T) {
	dir := filepath.Join("testdata", "roberta-plain")
	for _, keep := range []bool{false, true} {
		e, _, goldens := trainable(t, dir, grad.Options{})
		if keep {
			for _, p := range e.Parameters() {
				if err := p.Keep([]int{0, 1, 2}); err != nil {
					t.Fatal(err)
				}
			}
		}
		mode := grad.Mode{Train: true}
		before := loss(t, e, goldens, mode)
		for _, p := range e.Parameters() {
			p.Shown = slices.Clone(p.Values)
			for i := range p.Shown {
				if p.Position(i) >= 0 {
					p.Shown[i] *= 1.01
				}
			}
		}
		e.Updated()
		shown := loss(t, e, goldens, mode)
		for _, p := range e.Parameters() {
			p.Shown = nil
		}
		e.Updated()
		again := loss(t, e, goldens, mode)
		for _, p := range e.Parameters() {
			for i := range p.Values {
				p.Values[i] *= 1.01
			}
		}
		e.Updated()
		if changed := loss(t, e, goldens, mode); shown == before || again != before || changed != shown {
			t.Errorf("keep %v: the loss is %v, with shown values %v, without them %v, with changed values %v", keep, before, shown, again, changed)
		}
		for _, p := range e.Parameters() {
			p.Freeze()
		}
		if frozen := loss(t, e, goldens, mode); frozen != shown {
			t.Errorf("keep %v: the loss is %v after Freeze, want %v", keep, frozen, shown)
		}
		for _, p := range e.Parameters() {
			if err := p.Reset(); err != nil {
				t.Fatal(err)
			}
		}
		e.Updated()
		if reset := loss(t, e, goldens, mode); reset != before {
			t.Errorf("keep %v: the loss is %v after Reset, want %v", keep, reset, before)
		}
	}
}

// TestRead: Read gives the checkpoint's values, and trained ones after Updated.
func TestRead(t *testing.T) {
	dir := filepath.Join("testdata", "ernie-tasks")
	_, _, weights := modeltest.Load(t, dir)
	e, _, goldens := trainable(t, dir, grad.Options{})
	loss(t, e, goldens[:3], grad.Mode{Train: true})
	for _, p := range e.Parameters() {
		got := make([]float32, elements(p.Shape))
		p.Read(got)
		sameValues(t, p.Name, got, weights[p.Name].Data)
		want := slices.Clone(got)
		for i := range p.Values {
			if at := p.Position(i); at >= 0 {
				p.Values[i]++
				want[at]++
			}
		}
		e.Updated()
		p.Read(got)
		sameValues(t, p.Name+" after a change", got, want)
	}
}

// TestFeaturesAreThoseThatServe: without training, the encoder computes what the network
// does.
func TestFeaturesAreThoseThatServe(t *testing.T) {
	for _, dir := range gradientFolders(t) {
		e, _, goldens := trainable(t, dir, grad.Options{Dropout: dropout})
		logits, err := e.Features(modeltest.Join(goldens...), grad.Mode{})
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range goldens {
			for j, want := range g.Logits {
				if d := math.Abs(float64(logits.Row(i)[j]) - float64(want)); !(d < 2e-5) {
					t.Fatalf("%s: logit %d of sequence %d is %v, want %v", dir, j, i, logits.Row(i)[j], want)
				}
			}
		}
		if err := e.Backward(logits); err == nil {
			t.Errorf("%s: gradients of a pass that was not for training", dir)
		}
	}
}
