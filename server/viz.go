package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"kenserve/delta"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/page"
)

// KENviz of the tasks that are served: GET /tasks/{name}/viz is one page that
// holds everything, GET /tasks/{name}/viz/{view} one picture, or its numbers.
//
// Drawing is work of another order than classifying: one drawing is made at a
// time, on one core, a few may wait for their turn, and what was drawn is kept
// as long as it fits into a small cache.

// Bounds of drawing.
const (
	maxDrawings   = 8        // under way and waiting
	maxDrawn      = 32 << 20 // bytes in the cache
	maxExactBytes = 2 << 20  // see page.Options.Exact
)

// drawings is the state of drawing.
type drawings struct {
	admitted chan struct{} // a place for each that draws or waits
	turn     chan struct{}
	drawn    lastUsed
}

func newDrawings() drawings {
	return drawings{admitted: make(chan struct{}, maxDrawings), turn: make(chan struct{}, 1), drawn: lastUsed{limit: maxDrawn}}
}

// getViz answers GET /tasks/{name}/viz.
func (s *Server) getViz(c *gin.Context, x *exchange) error {
	body, err := s.draw(c, x, "page", func(ctx context.Context, name string, m *viz.Model) ([]byte, error) {
		var b bytes.Buffer
		err := page.Write(ctx, &b, m, page.Options{Name: name, Exact: maxExactBytes, Workers: 1})
		return b.Bytes(), err
	})
	if err != nil {
		return err
	}
	c.Writer.Header()["Content-Security-Policy"] = vizPolicy(body)
	write(c, http.StatusOK, htmlType, body)
	return nil
}

var scripts = regexp.MustCompile(`(?s)<script[^>]*>(.*?)</script>`)

// vizPolicy lets a page run the scripts that it holds, by their digests, show
// its own pictures and styles, and be framed by this server's page.
func vizPolicy(page []byte) []string {
	var policy strings.Builder
	policy.WriteString("default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; script-src")
	found := scripts.FindAllSubmatch(page, -1)
	for _, script := range found {
		sum := sha256.Sum256(script[1])
		policy.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	if len(found) == 0 {
		policy.WriteString(" 'none'")
	}
	return []string{policy.String()}
}

// vizParameters are what views are asked for with.
var vizParameters = []parameter{
	{"tensor", "query", "The tensor, by its name in the base; for changes it may be left out.", "encoder.layer.0.output.dense.weight"},
	{"row", "query", "A row of the tensor: that of a density, or in the middle of the window.", "0"},
	{"column", "query", "A column in the middle of the window.", "0"},
	{"kind", "query", "The type of tensor, for layers: a name with an asterisk for the layer's number.", "encoder.layer.*.output.dense.weight"},
	{"of", "query", "What layers show: kept or neighbours.", "kept"},
	{"dark", "query", "With true light on dark.", "false"},
}

// getVizView answers GET /tasks/{name}/viz/{view}, where view is the name of a
// view and a format, such as kept.png.
func (s *Server) getVizView(c *gin.Context, x *exchange) error {
	ask, err := parseVizAsk(c)
	if err != nil {
		return err
	}
	body, err := s.draw(c, x, ask.key(), func(ctx context.Context, _ string, m *viz.Model) ([]byte, error) {
		view, err := ask.compute(ctx, m)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = figure.Write(&b, view, ask.format, figure.Style{Dark: ask.dark})
		return b.Bytes(), err
	})
	if err != nil {
		return err
	}
	write(c, http.StatusOK, []string{ask.format.ContentType()}, body)
	return nil
}

// vizAsk is what a picture is asked for with.
type vizAsk struct {
	view         string
	format       figure.Format
	tensor, kind string
	of           viz.Aspect
	row, column  int
	dark         bool
}

// vizViews are the names of the views.
var vizViews = []string{"changes", "density", "kept", "layers", "neighbours", "shares"}

func parseVizAsk(c *gin.Context) (a vizAsk, err error) {
	view, format, _ := strings.Cut(c.Param("view"), ".")
	if !slices.Contains(vizViews, view) {
		return a, noRoute(nil, nil)
	}
	a = vizAsk{view: view, tensor: c.Query("tensor"), kind: c.Query("kind"), of: viz.Aspect(c.DefaultQuery("of", string(viz.OfKept))), dark: c.Query("dark") == "true"}
	if a.format, err = figure.ParseFormat(format); err != nil {
		return a, noRoute(nil, nil)
	}
	if a.of != viz.OfKept && a.of != viz.OfNeighbours {
		return a, invalid("of", "must be kept or neighbours")
	}
	for name, n := range map[string]*int{"row": &a.row, "column": &a.column} {
		if text, ok := c.GetQuery(name); ok {
			if *n, err = strconv.Atoi(text); err != nil || *n < 0 {
				return a, invalid(name, "must be a whole number from 0 on")
			}
		}
	}
	return a, nil
}

// key tells pictures of one delta apart.
func (a vizAsk) key() string {
	return strings.Join([]string{a.view, string(a.format), strconv.Quote(a.tensor), strconv.Quote(a.kind), string(a.of), strconv.Itoa(a.row), strconv.Itoa(a.column), strconv.FormatBool(a.dark)}, " ")
}

// compute makes the numbers of the view.
func (a vizAsk) compute(ctx context.Context, m *viz.Model) (viz.View, error) {
	detail := viz.Detail{Row: a.row, Column: a.column}
	switch a.view {
	case "changes":
		return m.Changes(ctx, a.tensor)
	case "density":
		return m.Density(ctx, a.tensor, a.row)
	case "kept":
		return m.Kept(ctx, a.tensor, detail)
	case "layers":
		return m.Layers(ctx, a.kind, a.of, detail)
	case "neighbours":
		return m.Neighbours(ctx, a.tensor, detail)
	}
	return m.Shares(), nil
}

// draw returns what make draws of the task that the request names, from the
// cache if it was drawn of the same delta before.
func (s *Server) draw(c *gin.Context, x *exchange, what string, make func(ctx context.Context, name string, m *viz.Model) ([]byte, error)) (body []byte, err error) {
	name := c.Param("name")
	if err := s.knownAt(named("name"), name); err != nil {
		return nil, err
	}
	x.task = name
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.options.RequestTimeout)
	defer cancel()
	select {
	case s.drawings.admitted <- struct{}{}:
		defer func() { <-s.drawings.admitted }()
	default:
		return nil, &problem{status: http.StatusTooManyRequests, kind: kindOverloaded, message: "too many drawings are under way, try again later"}
	}
	err = s.engine.Inspect(ctx, name, func(d *delta.Delta, base delta.Tensors) error {
		key := d.SHA256 + " " + strconv.Quote(name) + " " + what
		if body = s.drawings.drawn.get(key); body != nil {
			return nil
		}
		select {
		case s.drawings.turn <- struct{}{}:
			defer func() { <-s.drawings.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
		// It may have been drawn while this request waited.
		if body = s.drawings.drawn.get(key); body != nil {
			return nil
		}
		m, err := viz.New(d, base, nil)
		if err != nil {
			return err
		}
		if body, err = make(ctx, name, m); err == nil {
			s.drawings.drawn.put(key, body)
		}
		return err
	})
	switch {
	case errors.Is(err, viz.ErrTensor):
		return nil, invalid("tensor", "or kind is none that the view can show")
	case errors.Is(err, viz.ErrRow):
		return nil, invalid("row", "is no row of the tensor that can be shown")
	case err != nil:
		return nil, problemOf(ctx, taskProblem(err, name, named("name"), nil))
	}
	return body, nil
}
