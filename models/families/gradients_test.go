package families_test

import (
	"fmt"
	"math"
	"math/bits"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/gemm"
	"kenserve/internal/parallel"
	"kenserve/models"
	"kenserve/models/grad"
	"kenserve/models/internal/modeltest"
	"kenserve/safetensors"
)

// loader gives an encoder the weights of a small checkpoint.
type loader struct{ w modeltest.Weights }

func (l loader) Load(p models.Parameter, dst []float32) error {
	t, ok := l.w[p.Name]
	if !ok || len(t.Data) != len(dst) {
		return fmt.Errorf("%d values of %s, there are %d", len(dst), p.Name, len(t.Data))
	}
	copy(dst, t.Data)
	return nil
}

func (l loader) Table(p models.Parameter) (models.Table, error) { return l.w.Table(p.Name) }

// classifier is an architecture whose trace includes the head, so that an encoder
// computes logits and the gradients of the head, too.
type classifier struct {
	grad.Architecture
	labels int
}

func (c classifier) HeadLayers(int) []grad.HeadLayer {
	return []grad.HeadLayer{{Kind: grad.Dense, Inputs: c.labels}} // no names: all parameters are the encoder's
}

func (c classifier) Parameters() []models.Parameter {
	return append(c.Architecture.Parameters(), c.Architecture.Head(c.labels)...)
}

func (c classifier) Trace(t *grad.Tape, b *models.Batch) *grad.Value {
	x := c.Architecture.Trace(t, b)
	for _, l := range c.Architecture.HeadLayers(c.labels) {
		switch l.Kind {
		case grad.Dense:
			x = t.Dense(x, l.Weight, l.Bias)
		case grad.Activate:
			x = t.Activate(x, l.Activation)
		case grad.Normalise:
			x = t.Norm(x, l.Weight, l.Bias, l.Eps)
		}
	}
	return x
}

// trainable returns the classifier in a folder as an encoder.
func trainable(t testing.TB, dir string, o grad.Options) (*grad.Encoder, classifier, []modeltest.Golden) {
	t.Helper()
	config, arch, weights := modeltest.Load(t, dir)
	a, ok := arch.(grad.Architecture)
	if !ok {
		t.Fatalf("%s has no backward pass", config.ModelType)
	}
	c := classifier{a, len(config.Labels)}
	e, err := grad.NewEncoder(c, loader{weights}, o)
	if err != nil {
		t.Fatal(err)
	}
	return e, c, modeltest.ReadGoldens(t, filepath.Join(dir, "goldens.json"))
}

// weightOf is the factor of a logit in the loss; see make_gradients.py.
func weightOf(sequence, label int) float32 {
	return float32(math.Sin(float64(1 + 3*sequence + 7*label)))
}

// pass adds the gradients of the sequences from first on, as one batch.
func pass(t testing.TB, e *grad.Encoder, first int, some []modeltest.Golden, m grad.Mode) {
	t.Helper()
	m.Train, m.First = true, first
	logits, err := e.Features(modeltest.Join(some...), m)
	if err != nil {
		t.Fatal(err)
	}
	d := gemm.View{Data: make([]float32, logits.Rows*logits.Cols), Rows: logits.Rows, Cols: logits.Cols, Stride: logits.Cols}
	for s := range d.Rows {
		for l := range d.Cols {
			d.Row(s)[l] = weightOf(first+s, l)
		}
	}
	if err := e.Backward(d); err != nil {
		t.Fatal(err)
	}
}

// gradient returns the whole gradient of a parameter, row-major.
func gradient(p *grad.Parameter) []float64 {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	g := make([]float64, n)
	for i, x := range p.Grad {
		if at := p.Position(i); at >= 0 {
			g[at] = float64(x)
		} else if x != 0 {
			panic("a gradient where a panel is only filled")
		}
	}
	return g
}

// digest is that of make_gradients.py.
func digest(g []float64) []float64 {
	n := min(len(g), 48)
	d := make([]float64, 4, 4+n)
	for i, x := range g {
		d[0] += x * x
		for k := range 3 {
			if bits.OnesCount(uint(i*(2*k+3)+k))%2 == 1 {
				d[1+k] -= x
			} else {
				d[1+k] += x
			}
		}
	}
	d[0] = math.Sqrt(d[0])
	for i := range n {
		d = append(d, g[i*len(g)/n])
	}
	return d
}

// gradientFolders returns the small checkpoints with goldens of gradients.
func gradientFolders(t testing.TB) []string {
	t.Helper()
	list := folders(t)
	bert, err := filepath.Glob("../bert/testdata/*/config.json")
	if err != nil || len(bert) == 0 {
		t.Fatal("no small BERT checkpoints: ", err)
	}
	for _, f := range bert {
		list = append(list, filepath.Dir(f))
	}
	return list
}

// compareGradients returns the largest error of a tensor's gradient, relative to the
// tensor's norm.
func compareGradients(t *testing.T, dir string, prefix string, e *grad.Encoder) (worst float64) {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(dir, "gradients.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	largest := 0.0
	for _, p := range e.Parameters() {
		largest = math.Max(largest, digest(gradient(p))[0])
	}
	for _, p := range e.Parameters() {
		name := p.Name
		if !p.Head {
			name = prefix + name
		}
		tensor, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("%s: no golden for %s", dir, name)
		}
		want := make([]float32, tensor.Len())
		if err := tensor.Float32s(want, 0); err != nil {
			t.Fatal(err)
		}
		got := digest(gradient(p))
		if len(got) != len(want) {
			t.Fatalf("%s: golden of %s has %d values, want %d", dir, name, len(want), len(got))
		}
		scale := float64(want[0])
		if scale < 1e-9*largest {
			// It is zero but for rounding: softmax is the same for all biases of keys.
			scale = 1e-2 * largest
		}
		for i := range got {
			if d := math.Abs(got[i]-float64(want[i])) / scale; !(d <= 1e-4) {
				t.Errorf("%s: value %d of %s is %v, want %v (norm %v)", dir, i, name, got[i], want[i], want[0])
				break
			} else {
				worst = math.Max(worst, d)
			}
		}
	}
	return worst
}

func TestGradientsAgainstPyTorch(t *testing.T) {
	pool := parallel.NewPool(3)
	defer pool.Close()
	for _, dir := range gradientFolders(t) {
		t.Run(strings.TrimPrefix(dir, "../"), func(t *testing.T) {
			for _, c := range []struct {
				size    int
				options grad.Options
			}{
				{1, grad.Options{}},
				{4, grad.Options{Pool: pool, Keep: 1}},
				{100, grad.Options{Pool: pool}},
			} {
				e, arch, goldens := trainable(t, dir, c.options)
				for first := 0; first < len(goldens); first += c.size {
					pass(t, e, first, goldens[first:min(first+c.size, len(goldens))], grad.Mode{})
				}
				t.Logf("batches of %d: largest error %.1e", c.size, compareGradients(t, dir, arch.Prefix(), e))
			}
		})
	}
}
