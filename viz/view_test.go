package viz

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/kde"
)

// example is a model with everything that models have: two layers with a
// matrix and a bias, a table, a matrix that is stored whole, one of which
// nothing is kept, and a head.
func example(t testing.TB, info delta.Info, withTuned bool) *Model {
	return newModel(t, info, withTuned,
		fixture{name: "encoder.layer.0.query.weight", shape: []int{4, 6}, lines: lines("xx..x. .xx..x .x..x. x...x.")},
		fixture{name: "encoder.layer.1.query.weight", shape: []int{4, 6}, lines: lines("...... ..x... ...... x.x.x.")},
		fixture{name: "encoder.layer.0.query.bias", shape: []int{6}, lines: lines("x.xx..")},
		fixture{name: "encoder.layer.1.query.bias", shape: []int{6}, lines: lines("..x...")},
		fixture{name: "embeddings.weight", shape: []int{20, 6}, table: true, lines: append(lines("xxx... ...... x.x.x."), make([]string, 17)...)},
		fixture{name: "pooler.weight", shape: []int{3, 6}, dense: true},
		fixture{name: "unused.weight", shape: []int{5, 6}},
		fixture{name: "classifier.weight", shape: []int{2, 6}, head: true},
	)
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTensors(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	var got []string
	for _, x := range m.Tensors() {
		got = append(got, fmt.Sprintf("%s|%s|%d|%d×%d|%s|%d", x.Name, x.Kind, x.Layer, x.Rows, x.Columns, x.Form, x.Kept))
	}
	want := []string{
		"embeddings.weight|embeddings.weight|-1|20×6|masked|6",
		"encoder.layer.0.query.bias|encoder.layer.*.query.bias|0|1×6|masked|3",
		"encoder.layer.0.query.weight|encoder.layer.*.query.weight|0|4×6|masked|10",
		"encoder.layer.1.query.bias|encoder.layer.*.query.bias|1|1×6|masked|1",
		"encoder.layer.1.query.weight|encoder.layer.*.query.weight|1|4×6|masked|4",
		"pooler.weight|pooler.weight|-1|3×6|dense|18",
		"unused.weight|unused.weight|-1|5×6|base|0",
		"classifier.weight|classifier.weight|-1|2×6|head|12",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]struct {
		kind  string
		layer int
	}{
		"encoder.layer.3.output.dense.weight":        {"encoder.layer.*.output.dense.weight", 3},
		"transformer.layer.11.ffn.lin1.bias":         {"transformer.layer.*.ffn.lin1.bias", 11},
		"h.0.self_attention.dense.weight":            {"h.*.self_attention.dense.weight", 0},
		"blocks.7.mlp.weight":                        {"blocks.*.mlp.weight", 7},
		"model.layers.2.x":                           {"model.layers.*.x", 2},
		"embeddings.word_embeddings.weight":          {"embeddings.word_embeddings.weight", -1},
		"encoder.layer.weight":                       {"encoder.layer.weight", -1},
		"player.3.weight":                            {"player.3.weight", -1},
		"layer.99999999999999999999.weight":          {"layer.99999999999999999999.weight", -1},
		"encoder.layer.1.layer.2.weight":             {"encoder.layer.*.layer.2.weight", 1},
		"":                                           {"", -1},
		"encoder.layer.4.":                           {"encoder.layer.*.", 4},
		"encoder.layer.05.attention.self.key.weight": {"encoder.layer.*.attention.self.key.weight", 5},
	} {
		if kind, layer := kindOf(name); kind != want.kind || layer != want.layer {
			t.Errorf("%q: %q, %d, want %q, %d", name, kind, layer, want.kind, want.layer)
		}
	}
}

func TestNaturalLess(t *testing.T) {
	sorted := []string{"", "a", "a.2", "a.2.b", "a.02.c", "a.10", "a.10.b", "a.b", "b1", "b18446744073709551616", "b18446744073709551617"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := naturalLess(a, b); got != (i < j) && a != "a.02.c" && b != "a.02.c" {
				t.Errorf("%q before %q: %t", a, b, got)
			}
			if naturalLess(a, b) && naturalLess(b, a) {
				t.Errorf("%q and %q both come before each other", a, b)
			}
		}
	}
}

func TestKept(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	k := must[*Kept](t)(m.Kept(t.Context(), "encoder.layer.0.query.weight", Detail{}))
	want := &Kept{
		Tensor: k.Tensor, Share: 10.0 / 24,
		PerRow:    Summary{Min: 2, Median: 2.5, Max: 3},
		PerColumn: Summary{Min: 0, Median: 1.5, Max: 3, Zero: 1},
		Blocks: Blocks{Height: 1, Width: 1, Rows: 4, Columns: 6, rows: 4, columns: 6,
			Kept:       []int{1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0},
			Neighbours: []int{1, 2, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}},
		Window: Window{Rows: 4, Columns: 6, Lines: []string{"12..0.", ".31..0", ".1..1.", "0...1."}},
	}
	if diff := cmp.Diff(want, k, cmp.AllowUnexported(Blocks{})); diff != "" {
		t.Error(diff)
	}
}

func TestNeighbours(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	n := must[*Neighbours](t)(m.Neighbours(t.Context(), "encoder.layer.0.query.weight", Detail{}))
	if want := [5]int{3, 5, 1, 1, 0}; n.Counts != want {
		t.Errorf("counts %v, want %v", n.Counts, want)
	}
	if n.Mean != 1 {
		t.Errorf("mean %g, want 1", n.Mean)
	}
	mean := 0.0
	for i, v := range n.Expected {
		mean += float64(i) * v / 10
	}
	if math.Abs(mean-n.ExpectedMean) > 1e-12 || mean == 0 {
		t.Errorf("expected mean %g, want %g", n.ExpectedMean, mean)
	}
	// A matrix that is kept whole has the neighbours of a grid, by chance too.
	n = must[*Neighbours](t)(m.Neighbours(t.Context(), "pooler.weight", Detail{}))
	if want := [5]int{0, 0, 4, 10, 4}; n.Counts != want {
		t.Errorf("whole matrix: counts %v, want %v", n.Counts, want)
	}
	if diff := cmp.Diff([5]float64{0, 0, 4, 10, 4}, n.Expected, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Errorf("whole matrix: %s", diff)
	}
	// Nothing kept.
	n = must[*Neighbours](t)(m.Neighbours(t.Context(), "unused.weight", Detail{}))
	if n.Counts != [5]int{} || n.Mean != 0 || n.ExpectedMean != 0 {
		t.Errorf("nothing kept: %+v", n)
	}
}

func TestLayers(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	if diff := cmp.Diff([]string{"encoder.layer.*.query.bias", "encoder.layer.*.query.weight"}, m.Kinds()); diff != "" {
		t.Error(diff)
	}
	l := must[*Layers](t)(m.Layers(t.Context(), "encoder.layer.*.query.weight", OfNeighbours, Detail{Blocks: 6}))
	if len(l.Layers) != 2 || l.Layers[0].Mean != 1 || l.Layers[1].Mean != 0 {
		t.Errorf("%+v", l)
	}
	if diff := cmp.Diff([]int{0, 1, 0, 1, 1, 1}, l.Layers[1].Blocks.Kept); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Layers(t.Context(), "pooler.weight", OfKept, Detail{}); !errors.Is(err, ErrTensor) {
		t.Errorf("a type outside of layers: %v", err)
	}
	if _, err := m.Layers(t.Context(), "encoder.layer.*.query.weight", "colour", Detail{}); err == nil {
		t.Error("an aspect that is not known passes")
	}
}

func TestShares(t *testing.T) {
	s := example(t, delta.Info{K: 3}, false).Shares()
	if diff := cmp.Diff([]int{0, 1}, s.Layers); diff != "" {
		t.Error(diff)
	}
	if s.Kept != 6+3+10+1+4+18 || s.Values != 120+12+48+18+30 || s.Head != 12 {
		t.Errorf("%d of %d kept, and a head of %d", s.Kept, s.Values, s.Head)
	}
	got := ""
	for _, k := range s.Kinds {
		got += fmt.Sprintf("%s %d/%d:", label(k.Kind), k.Kept, k.Values)
		for _, x := range k.Tensors {
			got += fmt.Sprintf(" %d", x.Kept)
		}
		got += "\n"
	}
	if want := "query.bias 4/12: 3 1\nquery.weight 14/48: 10 4\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := len(s.Others); n != 4 {
		t.Errorf("%d other tensors", n)
	}
}

func TestChanges(t *testing.T) {
	m := example(t, delta.Info{K: 3}, true)
	c := must[*Changes](t)(m.Changes(t.Context(), "encoder.layer.1.query.weight"))
	// Kept are values 8, 18, 20 and 22; changes go through 1/8, 2/8, …, 7/8.
	want := histogramOf([]float64{2.0 / 8, 5.0 / 8, 7.0 / 8, 2.0 / 8})
	near := cmpopts.EquateApprox(0, 1e-6) // float32 rounds the changed values
	for name, h := range map[string]*Histogram{"stored": c.Stored, "kept": c.Kept} {
		if diff := cmp.Diff([]float64{float64(want.N), want.Min, want.Max, want.Mean(), want.Deviation()}, []float64{float64(h.N), h.Min, h.Max, h.Mean(), h.Deviation()}, near); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if c.All.N != 24 || c.All.Zero != 0 || c.All.Min != 1.0/8 {
		t.Errorf("all: %+v", c.All)
	}
	if c.MostChanged != 3 {
		t.Errorf("row %d changed most, want 3", c.MostChanged)
	}

	all := must[*Changes](t)(m.Changes(t.Context(), ""))
	if all.Stored.N != 42 || all.Kept.N != 42 || all.All.N != 228 {
		t.Errorf("all tensors: %d stored, %d kept, %d in all", all.Stored.N, all.Kept.N, all.All.N)
	}

	// Without the tuned checkpoint there is only what is stored.
	m = example(t, delta.Info{K: 3, Coding: delta.Sign}, false)
	c = must[*Changes](t)(m.Changes(t.Context(), "encoder.layer.1.query.weight"))
	if c.Kept != nil || c.All != nil || c.Stored.N != 4 || c.MostChanged != 3 {
		t.Errorf("%+v", c)
	}
	// The head has nothing to change from.
	c = must[*Changes](t)(m.Changes(t.Context(), "classifier.weight"))
	if c.Stored.N != 0 {
		t.Errorf("head: %+v", c.Stored)
	}
}

func TestDensity(t *testing.T) {
	m := example(t, delta.Info{K: 3}, true)
	d := must[*Density](t)(m.Density(t.Context(), "encoder.layer.0.query.weight", 1))
	// Row 1 are values 6 to 11 of the tuned tensor; columns 1, 2 and 5 are kept.
	row := make([]float32, 6)
	for i := range row {
		row[i] = vectorOf(12)[6+i] + changeOf(6+i)
	}
	if !d.Tuned || d.Row != 1 {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]float32{row[1], row[2], row[5]}, d.Kept); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{row[0], row[3], row[4]}, d.Rest); diff != "" {
		t.Error(diff)
	}
	_, deviation := kde.Moments(row)
	h := kde.Bandwidth(deviation, 6)
	if d.Bandwidth != h || len(d.Curve) != curvePoints {
		t.Errorf("bandwidth %g, want %g; %d points", d.Bandwidth, h, len(d.Curve))
	}
	for _, p := range d.Curve {
		if want := kde.Density(row, h, p.X); p.Density != want {
			t.Errorf("%g at %g, want %g", p.Density, p.X, want)
		}
	}
	if len(d.Points) != 3 || d.Points[0] != d.Curve[0].X || d.Points[2] != d.Curve[curvePoints-1].X {
		t.Errorf("points %v", d.Points)
	}

	// Without the tuned checkpoint it is the task's row, also where a run of
	// rows keeps nothing; other selections have no points.
	m = example(t, delta.Info{K: 3, Selection: "delta"}, false)
	for name, r := range map[string]int{"embeddings.weight": 7, "unused.weight": 2, "classifier.weight": 1, "pooler.weight": 0, "encoder.layer.0.query.bias": 0} {
		d := must[*Density](t)(m.Density(t.Context(), name, r))
		if d.Tuned || d.Points != nil || len(d.Kept)+len(d.Rest) != 6 {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for _, r := range []int{-1, 4} {
		if _, err := m.Density(t.Context(), "encoder.layer.0.query.weight", r); !errors.Is(err, ErrRow) {
			t.Errorf("row %d: %v", r, err)
		}
	}
}

func TestErrors(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	for name, err := range map[string]error{
		"kept":       second(m.Kept(t.Context(), "x", Detail{})),
		"neighbours": second(m.Neighbours(t.Context(), "x", Detail{})),
		"changes":    second(m.Changes(t.Context(), "x")),
		"density":    second(m.Density(t.Context(), "x", 0)),
		"page":       WritePage(t.Context(), io.Discard, m, PageOptions{Rows: map[string]int{"x": 0}}),
	} {
		if !errors.Is(err, ErrTensor) {
			t.Errorf("%s of no tensor: %v", name, err)
		}
	}
	if err := WritePage(t.Context(), io.Discard, m, PageOptions{Rows: map[string]int{"pooler.weight": 3}}); !errors.Is(err, ErrRow) {
		t.Errorf("page of no row: %v", err)
	}
	if err := Write(io.Discard, m.Shares(), "gif", Style{}); !errors.Is(err, ErrFormat) {
		t.Errorf("gif: %v", err)
	}
	if _, err := ParseFormat("gif"); !errors.Is(err, ErrFormat) {
		t.Errorf("gif: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"kept":       second(m.Kept(ctx, "pooler.weight", Detail{})),
		"neighbours": second(m.Neighbours(ctx, "pooler.weight", Detail{})),
		"layers":     second(m.Layers(ctx, "encoder.layer.*.query.weight", OfKept, Detail{})),
		"changes":    second(m.Changes(ctx, "")),
		"density":    second(m.Density(ctx, "pooler.weight", 0)),
		"page":       WritePage(ctx, io.Discard, m, PageOptions{}),
		"folder":     WriteFolder(ctx, t.TempDir(), m, FolderOptions{Formats: []Format{SVG}}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}

	// A checkpoint of other shapes is not what the delta was made from.
	other := example(t, delta.Info{K: 3}, true)
	wrong := newModel(t, delta.Info{}, true, fixture{name: "pooler.weight", shape: []int{6, 3}, dense: true})
	if _, err := New(other.delta, other.base, wrong.tuned); err == nil || !strings.Contains(err.Error(), "pooler.weight") {
		t.Errorf("a tuned checkpoint of other shapes: %v", err)
	}
	// A delta that was not checked against its base.
	small := newModel(t, delta.Info{}, false, fixture{name: "encoder.layer.0.query.weight", shape: []int{1, 2}, lines: lines("x.")})
	unchecked, err := New(other.delta, small.base, nil)
	if err == nil {
		_, err = unchecked.Kept(t.Context(), "encoder.layer.0.query.weight", Detail{})
	}
	if err == nil {
		t.Error("a delta of another base passes")
	}
}

func second[T any](_ T, err error) error { return err }

// views makes all views of a model.
func views(t testing.TB, m *Model) map[string]View {
	out := map[string]View{"shares": m.Shares(), "changes": must[*Changes](t)(m.Changes(t.Context(), ""))}
	for _, x := range m.Tensors() {
		out["kept "+x.Name] = must[*Kept](t)(m.Kept(t.Context(), x.Name, Detail{Window: 3}))
		out["neighbours "+x.Name] = must[*Neighbours](t)(m.Neighbours(t.Context(), x.Name, Detail{Window: 3}))
		out["changes "+x.Name] = must[*Changes](t)(m.Changes(t.Context(), x.Name))
		out["density "+x.Name] = must[*Density](t)(m.Density(t.Context(), x.Name, 0))
	}
	for _, kind := range m.Kinds() {
		for _, of := range []Aspect{OfKept, OfNeighbours} {
			out["layers "+kind+string(of)] = must[*Layers](t)(m.Layers(t.Context(), kind, of, Detail{}))
		}
	}
	return out
}

func TestEveryViewInEveryFormat(t *testing.T) {
	for _, m := range []*Model{
		example(t, delta.Info{K: 3}, true),
		example(t, delta.Info{Keep: 0.5, Selection: "delta", Coding: delta.Sign}, false),
	} {
		for name, v := range views(t, m) {
			for _, style := range []Style{{Width: 480}, {Dark: true, Width: 641}} {
				var out bytes.Buffer
				if err := Write(&out, v, PNG, style); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				img, err := png.Decode(&out)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				checkPicture(t, name, img, style, v)
				out.Reset()
				if err := Write(&out, v, SVG, style); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				checkSVG(t, name, out.String())
			}
			var out bytes.Buffer
			if err := Write(&out, v, JSON, Style{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var object map[string]any
			if err := json.Unmarshal(out.Bytes(), &object); err != nil || len(object) == 0 {
				t.Errorf("%s: %v: %s", name, err, out.String())
			}
		}
	}
}

// checkPicture checks a picture's size and that its margins are the paper.
func checkPicture(t *testing.T, name string, img image.Image, style Style, v View) {
	t.Helper()
	size := img.Bounds().Size()
	dots := float64(style.Width) / float64(figureWidth+2*margin)
	if want := dots * float64(v.height()+2*margin); size.X != style.Width || math.Abs(float64(size.Y)-want) > 0.05*want+1 {
		t.Errorf("%s: %v, want %d × %.0f", name, size, style.Width, want)
	}
	paper := newTheme(style.Dark).paper
	seen := map[any]bool{}
	for y := range size.Y {
		for x := range size.X {
			c := img.At(x, y)
			r, g, b, _ := c.RGBA()
			seen[[3]uint32{r, g, b}] = true
			if x < 3 || y < 3 || x >= size.X-3 || y >= size.Y-3 {
				if pr, pg, pb, _ := paper.RGBA(); r != pr || g != pg || b != pb {
					t.Fatalf("%s: %v at (%d, %d) on the margin", name, c, x, y)
				}
			}
		}
	}
	if len(seen) < 4 {
		t.Errorf("%s: a picture of %d colours", name, len(seen))
	}
}

// pictureData is what an SVG or a page has of a picture: any letters.
var pictureData = regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]*`)

// checkSVG checks that an SVG is XML and refers to nothing outside of itself.
func checkSVG(t interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, name, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range element.Attr {
			isName := a.Name.Space == "xmlns" || a.Name.Local == "xmlns"
			if !isName && strings.Contains(a.Value, "://") || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "data:image/png;base64,") {
				t.Errorf("%s: <%s %s=%q>", name, element.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
	svg = pictureData.ReplaceAllString(svg, "")
	for _, bad := range []string{"NaN", "Inf", "image/jpg", "%!"} {
		if strings.Contains(svg, bad) {
			t.Errorf("%s: %s in the drawing", name, bad)
		}
	}
}

// TestAnyMatrixCanBeDrawn: of any shape, whatever is kept.
func TestAnyMatrixCanBeDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPattern(t, 40, 70)
		tensor := Tensor{Name: rapid.StringMatching(`[^NI%:]*`).Draw(t, "name"), Rows: p.rows, Columns: p.columns, Form: Masked}
		for _, n := range p.rowCounts() {
			tensor.Kept += n
		}
		d := Detail{Blocks: rapid.IntRange(0, 500).Draw(t, "blocks"), Window: rapid.IntRange(0, 60).Draw(t, "window"), Row: rapid.Int().Draw(t, "row"), Column: rapid.Int().Draw(t, "column")}
		c := countPattern(tensor, p, d)
		layers := &Layers{Kind: tensor.Name, Of: OfKept, Layers: []Layer{c.layer(), c.layer()}}
		for name, v := range map[string]View{"kept": c.kept(), "neighbours": c.neighbourView(), "layers": layers} {
			var out bytes.Buffer
			if err := Write(&out, v, SVG, Style{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			checkSVG(t, name, out.String())
		}
	})
}

func TestConstantRowHasNoCurve(t *testing.T) {
	d := &Density{Tensor: Tensor{Name: "x", Rows: 1, Columns: 3}, Kept: []float32{2, 2}, Rest: []float32{2}}
	var out bytes.Buffer
	if err := Write(&out, d, SVG, Style{}); err != nil {
		t.Fatal(err)
	}
	checkSVG(t, "constant row", out.String())
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		v, top float64
		bottom int
		want   uint8
	}{
		{0, 1, 0, 0}, {1e-9, 1, 0, 1}, {0.5, 1, 0, 32}, {1, 1, 0, 63}, {2, 1, 0, 63}, {-1, 1, 0, 0},
		{0, 4, faintest, faintest}, {4, 4, faintest, 63}, {1, 0, 0, 0},
	} {
		if got := level(test.v, test.top, test.bottom); got != test.want {
			t.Errorf("%g of %g above %d is level %d, want %d", test.v, test.top, test.bottom, got, test.want)
		}
	}
	for _, test := range [][3]float64{{0, 1, 1}, {0.02, 1, 0.02}, {0.021, 1, 0.025}, {0.81, 1, 1}, {0.74, 1, 0.8}, {3.1, 4, 4}, {7, 4, 4}, {0.9, 4, 1}} {
		if got := top(test[0], test[1]); math.Abs(got-test[2]) > 1e-12 {
			t.Errorf("a scale for up to %g ends at %g, want %g", test[0], got, test[2])
		}
	}
}

func TestScaledRasterRepeatsPixels(t *testing.T) {
	r := raster{2, 3, []uint8{1, 2, 3, 4, 5, 6}}
	got := r.scaled(4, 7)
	want := raster{4, 7, []uint8{
		1, 1, 1, 2, 2, 3, 3,
		1, 1, 1, 2, 2, 3, 3,
		4, 4, 4, 5, 5, 6, 6,
		4, 4, 4, 5, 5, 6, 6,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(raster{})); diff != "" {
		t.Error(diff)
	}
}

// TestRasterPNG: a page's pictures have the greys of their levels.
func TestRasterPNG(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRaster(rapid.IntRange(1, 9).Draw(t, "rows"), rapid.IntRange(1, 9).Draw(t, "columns"))
		for i := range r.pix {
			r.pix[i] = rapid.Uint8Range(0, blank).Draw(t, "level")
		}
		img, err := png.Decode(bytes.NewReader(r.png()))
		if err != nil {
			t.Fatal(err)
		}
		if size := img.Bounds().Size(); size.X != r.columns || size.Y != r.rows {
			t.Fatalf("%v, want %d × %d", size, r.columns, r.rows)
		}
		for i, l := range r.pix {
			red, green, blue, alpha := img.At(i%r.columns, i/r.columns).RGBA()
			want := [4]uint32{}
			if l != blank {
				v := uint32(grayOf(int(l))) * 0x101
				want = [4]uint32{v, v, v, 0xffff}
			}
			if got := [4]uint32{red, green, blue, alpha}; got != want {
				t.Fatalf("level %d is %v, want %v", l, got, want)
			}
		}
	})
}

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(1234567): "1,234,567", count(999): "999", count(1000): "1,000",
		percent(0): "0%", percent(1): "100%", percent(0.0004): "<0.1%", percent(0.9995): ">99.9%", percent(0.0208): "2.08%", percent(0.743): "74.3%",
		number(0): "0", number(-0.00201): "−0.00201", number(1.36e-6): "1.36e−6", number(-5.6e12): "−5.60e12", number(0.5): "0.500", number(123.4): "123", number(12345): "12345",
		plural(1, "row"): "1 row", plural(1200, "row"): "1,200 rows",
		median(1234): "1,234", median(0.5): "0.5", median(1001.5): "1,001.5",
		plainTick(-0.01): "−0.01", plainTick(0): "0", percentTick(0.125): "12.5%",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPicturesAreBounded: a model of thousands of tensors makes no picture of
// gigabytes.
func TestPicturesAreBounded(t *testing.T) {
	s := &Shares{Others: make([]Tensor, 3000)}
	var out bytes.Buffer
	if err := Write(&out, s, PNG, Style{Width: MaxWidth}); err != nil {
		t.Fatal(err)
	}
	config, err := png.DecodeConfig(&out)
	if err != nil {
		t.Fatal(err)
	}
	if n := config.Width * config.Height; n > MaxPixels*21/20 || n < MaxPixels/2 {
		t.Errorf("%d × %d pixels, at most %d", config.Width, config.Height, MaxPixels)
	}
}

func TestIndexTicks(t *testing.T) {
	for _, test := range []struct {
		first, n int
		want     []int
	}{
		{0, 1, []int{0}}, {0, 5, []int{0, 1, 2, 3, 4}}, {227, 48, []int{230, 240, 250, 260, 270}},
		{0, 384, []int{0, 100, 200, 300}}, {0, 30522, []int{0, 10000, 20000, 30000}}, {7, 2, []int{7, 8}},
	} {
		if diff := cmp.Diff(test.want, indexTicks(test.first, test.n)); diff != "" {
			t.Errorf("%d from %d: %s", test.n, test.first, diff)
		}
	}
}
