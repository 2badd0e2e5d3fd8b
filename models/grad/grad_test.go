package grad

import (
	"errors"
	"math"
	"strings"
	"testing"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// toy is a small architecture with the operations whose memory is special: results that may
// be forgotten, changes in place, columns, and layers that may be computed again.
type toy struct{ models.Architecture }

const (
	toyWords = 9
	toyWidth = 12
)

func (toy) Limits() models.Limits { return models.Limits{Vocabulary: toyWords, Tokens: 40} }

func (toy) Parameters() []models.Parameter {
	list := []models.Parameter{{Name: "words", Shape: []int{toyWords, toyWidth}, Role: models.Embedding}}
	list = append(list, models.NormParameters("norm", toyWidth)...)
	list = append(list, models.DenseParameters("all", 3*toyWidth, toyWidth)...)
	return append(list, models.DenseParameters("out", toyWidth, toyWidth)...)
}

func (toy) Trace(t *Tape, b *models.Batch) *Value {
	x := t.Dropout(t.LayerNorm(t.Embed(Lookup{"words", b.IDs}), "norm", 1e-5), b.Ends)
	for range 3 {
		x = t.Segment(x, func(x *Value) *Value {
			all := t.LayerActivated(x, "all", nn.GELU)
			q, k, v := all.Columns(0, toyWidth), all.Columns(toyWidth, 2*toyWidth), all.Columns(2*toyWidth, 3*toyWidth)
			y := t.Attention(q, k, v, b.Ends, b.Ends, models.Heads{Count: 2, Width: toyWidth / 2})
			return t.LayerNorm(t.LayerAdd(y, "out", x, b.Ends), "norm", 1e-5)
		})
	}
	return t.FirstRows(x, b.Ends)
}

func (toy) HeadLayers(labels int) []HeadLayer {
	return []HeadLayer{{Kind: Dense, Weight: "head", Outputs: labels, Inputs: toyWidth}}
}

// toyLoader gives values that depend on the name and the index.
type toyLoader struct{ broken string }

func (l toyLoader) Load(p models.Parameter, dst []float32) error {
	if p.Name == l.broken {
		return errors.New("the file ends")
	}
	for i := range dst {
		dst[i] = float32(math.Sin(float64(len(p.Name)*100 + i)))
	}
	return nil
}

func (l toyLoader) Table(p models.Parameter) (models.Table, error) {
	if p.Name == l.broken {
		return nil, errors.New("the file ends")
	}
	return toyTable{}, nil
}

type toyTable struct{}

func (toyTable) Row(i int, dst []float32) {
	for j := range dst {
		dst[j] = float32(math.Cos(float64(100*i + j)))
	}
}

func toyEncoder(t *testing.T, o Options) *Encoder {
	t.Helper()
	e, err := NewEncoder(toy{}, toyLoader{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var toyBatch = &models.Batch{IDs: []int32{1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 1}, Ends: []int{7, 10, 11}}

// TestMemoryIsGivenBack: after Backward no activation is left, also if passes are not
// finished, and with little memory less is held.
func TestMemoryIsGivenBack(t *testing.T) {
	var held []int64
	for _, o := range []Options{{}, {Keep: 1}} {
		for _, p := range []float32{0, 0.5} {
			o.Dropout = Dropout{Hidden: p, Attention: p}
			e := toyEncoder(t, o)
			for i := range 4 {
				x, err := e.Features(toyBatch, Mode{Train: i != 2})
				if err != nil {
					t.Fatal(err)
				}
				if i == 1 || i == 2 {
					continue
				}
				if err := e.Backward(x); err != nil {
					t.Fatal(err)
				}
				if e.tape.memory.live != 0 {
					t.Errorf("options %+v: %d bytes of activations are left", o, e.tape.memory.live)
				}
				if err := e.Backward(x); err == nil {
					t.Error("Backward ran twice")
				}
			}
			if _, err := e.Features(toyBatch, Mode{Train: true}); err != nil {
				t.Fatal(err)
			}
			held = append(held, e.tape.memory.live)
		}
	}
	if held[2] >= held[0] {
		t.Errorf("%d bytes are kept with a bound, %d without", held[2], held[0])
	}
}

// TestDropoutElement compares the choice without a branch with the plain one.
func TestDropoutElement(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, threshold := range []uint64{1, 6554, 0xffff} {
		d := dropout{threshold: threshold, scale: 1.5}
		for _, low := range []uint64{0, threshold - 1, threshold, 0xffff} {
			for _, x := range []float32{0, 2, -3, inf, nan} {
				want := x * d.scale
				if low < threshold {
					want = 0
				}
				got := d.element(x, 0xabcd<<16|low)
				if math.Float32bits(got) != math.Float32bits(want) {
					t.Errorf("threshold %d, bits %d: %v becomes %v, want %v", threshold, low, x, got, want)
				}
			}
		}
	}
}

// TestDropoutShare: the share of dropped elements and the mean are right, and elements are
// dropped independently of each other.
func TestDropoutShare(t *testing.T) {
	e := toyEncoder(t, Options{Dropout: Dropout{Hidden: 0.3, Seed: 1}})
	tape := &e.tape
	tape.mode = Mode{Train: true}
	const rows, cols = 200, 300
	x := make([]float32, cols)
	var dropped, pairs, above, sum float64
	before := make([]float32, cols)
	d := tape.dropout(0.3)
	for r := range rows {
		for j := range x {
			x[j] = 1
		}
		d.row(x, r/10, r%10, 0)
		for j, v := range x {
			sum += float64(v)
			if v == 0 {
				dropped++
				if j > 0 && x[j-1] == 0 {
					pairs++
				}
				if before[j] == 0 {
					above++
				}
			}
		}
		// A row has the same choices from any column on.
		part := make([]float32, 50)
		for j := range part {
			part[j] = 1
		}
		d.row(part, r/10, r%10, 101)
		for j := range part {
			if part[j] != x[101+j] {
				t.Fatalf("column %d of row %d is %v from column 101 on, want %v", 101+j, r, part[j], x[101+j])
			}
		}
		copy(before, x)
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"dropped":         {dropped / rows / cols, 0.3},
		"dropped pairs":   {pairs / rows / cols, 0.09},
		"dropped columns": {above / rows / cols, 0.09},
		"mean":            {sum / rows / cols, 1},
	} {
		if math.Abs(c.got-c.want) > 0.01 {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if again := tape.dropout(0.3); again.key == d.key {
		t.Error("two places drop the same elements")
	}
	tape.mode.Train = false
	if d := tape.dropout(0.3); d.threshold != 0 {
		t.Error("elements are dropped outside training")
	}
}

// TestFrozenStart: with the first operations frozen, the others have the same gradients as
// before.
func TestFrozenStart(t *testing.T) {
	full, part := toyEncoder(t, Options{}), toyEncoder(t, Options{})
	for _, p := range part.Parameters()[:4] {
		p.Freeze()
	}
	for _, e := range []*Encoder{full, part} {
		x, err := e.Features(toyBatch, Mode{Train: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Backward(x); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range part.Parameters() {
		if i < 4 {
			if p.Grad != nil {
				t.Errorf("%s is frozen and has gradients", p.Name)
			}
			continue
		}
		for j, g := range p.Grad {
			if want := full.Parameters()[i].Grad[j]; g != want {
				t.Fatalf("%s: gradient %d is %v, want %v", p.Name, j, g, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		loader toyLoader
		o      Options
		want   string
	}{
		{toyLoader{"words"}, Options{}, "read table words of the base: the file ends"},
		{toyLoader{"out.bias"}, Options{}, "read tensor out.bias of the base: the file ends"},
		{toyLoader{}, Options{Compute: gemm.Int8}, "float32 or bfloat16"},
		{toyLoader{}, Options{Dropout: Dropout{Hidden: 1}}, "dropout is 1"},
		{toyLoader{}, Options{Dropout: Dropout{Attention: float32(math.NaN())}}, "dropout is NaN"},
	} {
		if _, err := NewEncoder(toy{}, c.loader, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	e := toyEncoder(t, Options{})
	if e.width() != toyWidth {
		t.Errorf("width %d, want %d", e.width(), toyWidth)
	}
	if err := e.Backward(gemm.View{}); err == nil {
		t.Error("Backward ran before Features")
	}
	if _, err := e.Features(&models.Batch{IDs: []int32{99}, Ends: []int{1}}, Mode{}); !errors.Is(err, models.ErrBatch) {
		t.Errorf("error %v, want ErrBatch", err)
	}
	x, err := e.Features(toyBatch, Mode{Train: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Backward(x.Slice(0, 1, 0, x.Cols)); err == nil {
		t.Error("Backward took a gradient of the wrong size")
	}
	for name, positions := range map[string][]int{"falling": {3, 2}, "twice": {1, 1}, "negative": {-1}, "too large": {toyWidth}} {
		for _, p := range e.Parameters() {
			if p.Name == "norm.bias" {
				if err := p.Keep(positions); err == nil {
					t.Errorf("%s positions were kept", name)
				}
			}
		}
	}
}

// TestRowsOfTables: rows become trained when they are seen in training, in that order, and
// AddRows restores them.
func TestRowsOfTables(t *testing.T) {
	e := toyEncoder(t, Options{})
	words := e.Parameters()[0]
	for _, m := range []Mode{{}, {Train: true}} {
		if len(words.Rows()) != 0 {
			t.Errorf("%d rows are trained before training", len(words.Rows()))
		}
		if _, err := e.Features(&models.Batch{IDs: []int32{5, 2, 5, 7}, Ends: []int{4}}, m); err != nil {
			t.Fatal(err)
		}
	}
	if len(words.Rows()) != 3 || words.Rows()[0] != 5 || words.Rows()[2] != 7 || len(words.Values) != 3*toyWidth || len(words.Grad) != 3*toyWidth {
		t.Fatalf("rows %v, %d values, %d gradients", words.Rows(), len(words.Values), len(words.Grad))
	}
	if at := words.Position(toyWidth + 3); at != 2*toyWidth+3 {
		t.Errorf("position %d, want %d", at, 2*toyWidth+3)
	}
	other := toyEncoder(t, Options{}).Parameters()[0]
	other.AddRows(words.Rows())
	other.AddRows([]int32{2, 8})
	if r := other.Rows(); len(r) != 4 || r[1] != 2 || r[3] != 8 {
		t.Errorf("rows %v", r)
	}
	for i, v := range words.Values {
		if other.Values[i] != v {
			t.Fatalf("value %d is %v, want %v", i, other.Values[i], v)
		}
	}
}
