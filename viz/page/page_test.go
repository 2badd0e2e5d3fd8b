package page

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/viz"
	"kenserve/viz/figure"
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

// example returns the model of viztest.Example.
func example(t testing.TB, info delta.Info, withTuned bool) *viz.Model {
	t.Helper()
	return newModel(t, viztest.Example(t, info, withTuned))
}

// pictureData matches the data of an embedded picture, which can be any letters.
var pictureData = regexp.MustCompile(`data:image/png;base64,[A-Za-z0-9+/=]*`)

func writePage(t testing.TB, m *viz.Model, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(t.Context(), &out, m, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// element is a start tag of the page.
type element struct {
	name string
	attr map[string]string
}

// parsePage checks that all elements are closed in the right order, and returns the start tags.
func parsePage(t *testing.T, page string) []element {
	t.Helper()
	void := map[string]bool{"meta": true, "img": true, "input": true, "br": true, "link": true}
	var elements []element
	var open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) {
				t.Fatal(z.Err())
			}
			if len(open) > 0 {
				t.Fatalf("elements not closed: %v", open)
			}
			return elements
		case html.StartTagToken:
			token := z.Token()
			e := element{token.Data, map[string]string{}}
			for _, a := range token.Attr {
				if _, twice := e.attr[a.Key]; twice {
					t.Errorf("<%s> has the attribute %s twice", token.Data, a.Key)
				}
				e.attr[a.Key] = a.Val
			}
			elements = append(elements, e)
			if !void[token.Data] {
				open = append(open, token.Data)
			}
		case html.SelfClosingTagToken:
			token := z.Token()
			e := element{token.Data, map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Key] = a.Val
			}
			elements = append(elements, e)
		case html.EndTagToken:
			name := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes none of %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestPageIsWellFormedAndSelfContained(t *testing.T) {
	const hostile = `x<script>alert("1")</script>&"'`
	for name, m := range map[string]*viz.Model{
		"with tuned":    example(t, delta.Info{K: 3, Labels: []string{"a", "b"}, Scope: "all"}, true),
		"without tuned": example(t, delta.Info{Keep: 0.5, Selection: "delta", Coding: delta.Int8}, false),
		"hostile names": newModel(t, viztest.New(t, delta.Info{Notes: hostile, SourceName: hostile, Selection: hostile}, true,
			viztest.Fixture{Name: "h.0." + hostile, Shape: []int{3, 5}, Lines: viztest.Lines("x..x. .xx.. x...x")},
			viztest.Fixture{Name: "h.1." + hostile, Shape: []int{3, 5}, Lines: viztest.Lines("x..x. .xx.. x...x")},
			viztest.Fixture{Name: "h.0.b" + hostile, Shape: []int{5}, Lines: viztest.Lines("x..x.")},
			viztest.Fixture{Name: hostile, Shape: []int{3, 5}, Dense: true})),
		"nothing kept": newModel(t, viztest.New(t, delta.Info{}, false, viztest.Fixture{Name: "a", Shape: []int{3, 5}})),
		"no layers":    newModel(t, viztest.New(t, delta.Info{}, true, viztest.Fixture{Name: "a", Shape: []int{3, 5}, Lines: viztest.Lines("x..x. .xx.. x...x")})),
	} {
		t.Run(name, func(t *testing.T) {
			page := writePage(t, m, Options{Name: hostile})
			elements := parsePage(t, page)
			ids, scripts := map[string]bool{}, 0
			for _, e := range elements {
				if id := e.attr["id"]; id != "" {
					if ids[id] {
						t.Errorf("two elements with the id %s", id)
					}
					ids[id] = true
				}
				if e.name == "script" {
					scripts++
				}
			}
			if scripts != 1 {
				t.Errorf("%d scripts, want 1", scripts)
			}
			for _, e := range elements {
				switch e.name {
				case "link", "iframe", "object", "base", "form":
					t.Errorf("the page has <%s>", e.name)
				case "img":
					if e.attr["alt"] == "" {
						t.Errorf("picture without alternative text: %v", e.attr)
					}
					data, ok := strings.CutPrefix(e.attr["src"], "data:image/png;base64,")
					if !ok {
						t.Fatalf("picture from %.40q, want embedded data", e.attr["src"])
					}
					raw, err := base64.StdEncoding.DecodeString(data)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := png.Decode(bytes.NewReader(raw)); err != nil {
						t.Fatal(err)
					}
				case "svg":
					if e.attr["aria-label"] == "" && e.attr["aria-hidden"] == "" {
						t.Errorf("drawing without a label: %v", e.attr)
					}
				}
				if href, ok := e.attr["href"]; ok && (href == "#" || !strings.HasPrefix(href, "#") || !ids[href[1:]]) {
					t.Errorf("link to %q, want an id of the page", href)
				}
				for _, to := range strings.Fields(e.attr["aria-labelledby"] + " " + e.attr["for"]) {
					if !ids[to] {
						t.Errorf("<%s> refers to the missing id %q", e.name, to)
					}
				}
				for key := range e.attr {
					if strings.HasPrefix(key, "on") {
						t.Errorf("<%s> has the event handler %s", e.name, key)
					}
				}
			}
			text := pictureData.ReplaceAllString(page, "")
			text = regexp.MustCompile(`data-bits="[^"]*"`).ReplaceAllString(text, "")
			for _, bad := range []string{"http:", "https:", "//www", "@import", "src:url", "ZgotmplZ", "NaN", "%!", `alert("1")`, "#0102"} {
				if strings.Contains(text, bad) {
					t.Errorf("%q in the page", bad)
				}
			}
			if m := regexp.MustCompile(`url\([^#][^)]*\)`).FindString(page); m != "" {
				t.Errorf("the page refers to %s", m)
			}
		})
	}
}

// TestPageNumbers checks that numbers are on the page as text, and that the exact patterns are
// those of the delta.
func TestPageNumbers(t *testing.T) {
	m := example(t, delta.Info{K: 3, Scope: "all"}, true)
	page := writePage(t, m, Options{Name: "example", Rows: map[string]int{"encoder.layer.1.query.weight": 1}})
	for _, want := range []string{
		"<title>example: what the delta keeps</title>", "42 of 228 values (18.4%)", "ken, 3 of each row, scope all",
		"4 × 6, masked: 10 of 24 values kept (41.7%)", "1.00 on average, 1.17 by chance",
		"one block for each value", "Density of row 1.", "rows 0–3, columns 0–5: 10 kept",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	found := 0
	for _, e := range parsePage(t, page) {
		if e.attr["class"] != "matrix" {
			continue
		}
		rows, _ := strconv.Atoi(e.attr["data-rows"])
		columns, _ := strconv.Atoi(e.attr["data-columns"])
		number, _ := strconv.Atoi(e.attr["id"][1:])
		name := m.Tensors()[number].Name
		x, err := m.Matrix(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		checkPattern(t, x, e.attr["data-bits"], rows, columns)
		found++
	}
	if found != 5 { // all matrices except the one of which nothing is kept
		t.Errorf("%d matrices, want 5", found)
	}
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// checkPattern unpacks the bits of a matrix as the page's script does, and compares them
// with the matrix.
func checkPattern(t failer, x *viz.Matrix, text string, rows, columns int) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(flate.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	stride := (columns + 7) / 8
	if len(bits) != rows*stride {
		t.Fatalf("%s: %d bytes for %d × %d", x.Tensor.Name, len(bits), rows, columns)
	}
	for r := range rows {
		want := x.KeptRow(r)
		for c := range columns {
			if got := bits[r*stride+c/8] >> (c % 8) & 1; uint64(got) != want[c/64]>>(c%64)&1 {
				t.Fatalf("%s: row %d, column %d: bit is %d", x.Tensor.Name, r, c, got)
			}
		}
	}
}

func TestPack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lines := viztest.DrawLines(rt, 20, 150)
		fixture := viztest.Fixture{Name: "w", Shape: []int{len(lines), len(lines[0])}, Lines: lines}
		if !strings.Contains(strings.Join(lines, ""), "x") {
			fixture.Lines = nil
		}
		x, err := newModel(t, viztest.New(t, delta.Info{}, false, fixture)).Matrix(t.Context(), "w")
		if err != nil {
			rt.Fatal(err)
		}
		checkPattern(rt, x, base64.RawURLEncoding.EncodeToString(pack(x)), len(lines), len(lines[0]))
	})
}

// TestPageIsBounded checks that the shortest exact patterns are embedded first, within the
// limit.
func TestPageIsBounded(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	for _, test := range []struct{ limit, want int }{{1 << 20, 5}, {-1, 0}, {1, 0}, {30, 1}} {
		spent, movable := 0, 0
		for _, e := range parsePage(t, writePage(t, m, Options{Exact: test.limit})) {
			if bits := e.attr["data-bits"]; bits != "" {
				spent, movable = spent+len(bits), movable+1
			}
		}
		if spent > max(test.limit, 0) || movable < test.want {
			t.Errorf("limit %d: %d bytes for %d matrices, want patterns of at least %d", test.limit, spent, movable, test.want)
		}
	}
}

func TestPageIsDeterministic(t *testing.T) {
	m := example(t, delta.Info{K: 3}, true)
	var steps atomic.Int64
	one := writePage(t, m, Options{Workers: 1})
	four := writePage(t, m, Options{Workers: 4, Progress: func() { steps.Add(1) }})
	if one != four {
		t.Error("the page depends on the number of workers")
	}
	if n := steps.Load(); n != int64(len(m.Tensors())) {
		t.Errorf("%d calls of Progress for %d tensors", n, len(m.Tensors()))
	}
}

func TestFolder(t *testing.T) {
	m := newModel(t, viztest.New(t, delta.Info{K: 2}, true,
		viztest.Fixture{Name: "h.0.w", Shape: []int{2, 4}, Lines: viztest.Lines("x..x .xx.")},
		viztest.Fixture{Name: "h.1.w", Shape: []int{2, 4}, Lines: viztest.Lines("x... ..x.")},
		viztest.Fixture{Name: "h.0.b", Shape: []int{4}, Lines: viztest.Lines("x...")},
		viztest.Fixture{Name: "../../escape", Shape: []int{2, 4}, Lines: viztest.Lines("x... ..x.")},
		viztest.Fixture{Name: "head", Shape: []int{2, 4}, Head: true},
	))
	dir := filepath.Join(t.TempDir(), "out", "deep")
	formats := []figure.Format{figure.SVG, figure.JSON}
	var steps atomic.Int64
	o := FolderOptions{Formats: formats, Page: Options{Progress: func() { steps.Add(1) }}}
	for range 2 { // the second time all files are replaced
		steps.Store(0)
		if err := WriteFolder(t.Context(), dir, m, o); err != nil {
			t.Fatal(err)
		}
		if n := steps.Load(); int(n) != Steps(m, formats) {
			t.Errorf("%d steps, want %d", n, Steps(m, formats))
		}
	}
	want := map[string]bool{"index.html": true}
	for _, f := range formats {
		for _, name := range []string{
			"changes", "shares", "h.all.w.kept", "h.all.w.neighbours",
			"h.0.w.kept", "h.0.w.neighbours", "h.0.w.density", "h.0.w.changes",
			"h.1.w.kept", "h.1.w.neighbours", "h.1.w.density", "h.1.w.changes",
			"tensor-0.kept", "tensor-0.neighbours", "tensor-0.density", "tensor-0.changes",
			"head.kept", "head.neighbours", "head.density",
		} {
			want[fmt.Sprintf("%s/%s.%s", f, name, f)] = true
		}
	}
	got := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			got[filepath.ToSlash(name)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
	// A folder inside a file cannot be made.
	if err := WriteFolder(context.Background(), filepath.Join(dir, FileName, "x"), m, o); err == nil {
		t.Error("folder inside a file: no error")
	}
}

func TestErrors(t *testing.T) {
	m := example(t, delta.Info{K: 3}, false)
	if err := Write(t.Context(), io.Discard, m, Options{Rows: map[string]int{"x": 0}}); !errors.Is(err, viz.ErrTensor) {
		t.Errorf("missing tensor: error is %v, want %v", err, viz.ErrTensor)
	}
	if err := Write(t.Context(), io.Discard, m, Options{Rows: map[string]int{"pooler.weight": 3}}); !errors.Is(err, viz.ErrRow) {
		t.Errorf("missing row: error is %v, want %v", err, viz.ErrRow)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"page":   Write(ctx, io.Discard, m, Options{}),
		"folder": WriteFolder(ctx, t.TempDir(), m, FolderOptions{Formats: []figure.Format{figure.SVG}}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s after cancellation: error is %v, want %v", name, err, context.Canceled)
		}
	}
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"encoder.layer.0.x_y-z": "encoder.layer.0.x_y-z", "a/b": "tensor-7", "..": "tensor-7", ".x": "tensor-7", "": "tensor-7", "-x": "tensor-7",
		"a\\b": "tensor-7", "é": "tensor-7", strings.Repeat("a", 300): "tensor-7",
	} {
		if got := fileName(name, 7); got != want {
			t.Errorf("fileName(%q) is %q, want %q", name, got, want)
		}
	}
}
