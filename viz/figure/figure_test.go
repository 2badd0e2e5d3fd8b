package figure

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/viztest"
)

func newModel(t testing.TB, m viztest.Model) *viz.Model {
	t.Helper()
	model, err := viz.New(m.Delta, m.Base, m.Tuned)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// allViews returns all views of a model by name.
func allViews(t testing.TB, m *viz.Model) map[string]viz.View {
	t.Helper()
	out := map[string]viz.View{"shares": m.Shares()}
	add := func(name string, v viz.View, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = v
	}
	changes, err := m.Changes(t.Context(), "")
	add("changes", changes, err)
	for _, x := range m.Tensors() {
		kept, err := m.Kept(t.Context(), x.Name, viz.Detail{Window: 3})
		add("kept "+x.Name, kept, err)
		neighbours, err := m.Neighbours(t.Context(), x.Name, viz.Detail{Window: 3})
		add("neighbours "+x.Name, neighbours, err)
		changes, err := m.Changes(t.Context(), x.Name)
		add("changes "+x.Name, changes, err)
		density, err := m.Density(t.Context(), x.Name, 0)
		add("density "+x.Name, density, err)
	}
	for _, kind := range m.Kinds() {
		for _, of := range []viz.Aspect{viz.OfKept, viz.OfNeighbours} {
			layers, err := m.Layers(t.Context(), kind, of, viz.Detail{})
			add("layers "+kind+string(of), layers, err)
		}
	}
	return out
}

func TestEveryViewInEveryFormat(t *testing.T) {
	for _, m := range []viztest.Model{
		viztest.Example(t, delta.Info{K: 3}, true),
		viztest.Example(t, delta.Info{Keep: 0.5, Selection: "delta", Coding: delta.Sign}, false),
	} {
		for name, v := range allViews(t, newModel(t, m)) {
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

// checkPicture checks the size of a PNG, and that its margin has the background's colour.
func checkPicture(t *testing.T, name string, img image.Image, style Style, v viz.View) {
	t.Helper()
	size := img.Bounds().Size()
	dots := float64(style.Width) / float64(figureWidth+2*margin)
	if want := dots * float64(pictureOf(v).height()+2*margin); size.X != style.Width || math.Abs(float64(size.Y)-want) > 0.05*want+1 {
		t.Errorf("%s: %v, want %d × %.0f", name, size, style.Width, want)
	}
	paper := canvas.NewTheme(style.Dark).Paper
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
		t.Errorf("%s: %d colours, want at least 4", name, len(seen))
	}
}

// pictureData matches the data of an embedded picture, which can be any letters.
var pictureData = regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]*`)

// checkSVG checks that an SVG is well-formed XML and refers to nothing outside itself.
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

// TestAnyMatrixCanBeDrawn draws matrices of any shape and name, whatever is kept of them.
func TestAnyMatrixCanBeDrawn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lines := viztest.DrawLines(rt, 40, 70)
		fixture := viztest.Fixture{Name: "h.0.w", Shape: []int{len(lines), len(lines[0])}, Lines: lines}
		if !strings.Contains(strings.Join(lines, ""), "x") {
			fixture.Lines = nil
		}
		m := newModel(t, viztest.New(t, delta.Info{K: 1}, false, fixture))
		d := viz.Detail{Blocks: rapid.IntRange(0, 500).Draw(rt, "blocks"), Window: rapid.IntRange(0, 60).Draw(rt, "window"), Row: rapid.Int().Draw(rt, "row"), Column: rapid.Int().Draw(rt, "column")}
		x, err := m.Matrix(t.Context(), fixture.Name)
		if err != nil {
			rt.Fatal(err)
		}
		c := x.Count(d)
		kept, neighbours := c.Kept(), c.Neighbours()
		layers := &viz.Layers{Of: viz.OfKept, Layers: []viz.Layer{c.Layer(), c.Layer()}}
		name := rapid.StringMatching(`[^NI%:]*`).Draw(rt, "name")
		kept.Tensor.Name, neighbours.Tensor.Name, layers.Kind = name, name, name
		for view, v := range map[string]viz.View{"kept": kept, "neighbours": neighbours, "layers": layers} {
			var out bytes.Buffer
			if err := Write(&out, v, SVG, Style{}); err != nil {
				rt.Fatalf("%s: %v", view, err)
			}
			checkSVG(rt, view, out.String())
		}
	})
}

func TestConstantRowHasNoCurve(t *testing.T) {
	d := &viz.Density{Tensor: viz.Tensor{Name: "x", Rows: 1, Columns: 3}, Kept: []float32{2, 2}, Rest: []float32{2}}
	var out bytes.Buffer
	if err := Write(&out, d, SVG, Style{}); err != nil {
		t.Fatal(err)
	}
	checkSVG(t, "constant row", out.String())
}

// TestPicturesAreBounded checks the size of the picture of a model with thousands of tensors.
func TestUnknownFormat(t *testing.T) {
	if err := Write(io.Discard, &viz.Shares{}, "gif", Style{}); !errors.Is(err, errFormat) {
		t.Errorf("Write: error is %v, want %v", err, errFormat)
	}
	if _, err := ParseFormat("gif"); !errors.Is(err, errFormat) {
		t.Errorf("ParseFormat: error is %v, want %v", err, errFormat)
	}
}

func TestPicturesAreBounded(t *testing.T) {
	s := &viz.Shares{Others: make([]viz.Tensor, 3000)}
	var out bytes.Buffer
	if err := Write(&out, s, PNG, Style{Width: MaxWidth}); err != nil {
		t.Fatal(err)
	}
	config, err := png.DecodeConfig(&out)
	if err != nil {
		t.Fatal(err)
	}
	if n := config.Width * config.Height; n > maxPixels*21/20 || n < maxPixels/2 {
		t.Errorf("%d × %d pixels, want at most %d", config.Width, config.Height, maxPixels)
	}
}
