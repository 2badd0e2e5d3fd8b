package dashboard

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
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/page"
)

// KENviz of the tasks of the store: GET /tasks/{name}/viz is a page with everything,
// GET /tasks/{name}/viz/{view} one picture or its numbers.
//
// A drawing takes much longer than a classification. So one drawing is made at a
// time, on one core; a few requests may wait for their turn; and a small cache keeps
// the results.

// Limits of drawing.
const (
	maxDrawings   = 8        // requests that draw or wait
	maxDrawn      = 32 << 20 // bytes of the cache
	maxExactBytes = 2 << 20  // see page.Options.Exact
)

// drawings limits the requests that draw and caches their results.
type drawings struct {
	admitted chan struct{} // one element for each request that draws or waits
	turn     chan struct{} // one element while a request draws
	drawn    lruCache
}

func newDrawings() drawings {
	return drawings{admitted: make(chan struct{}, maxDrawings), turn: make(chan struct{}, 1), drawn: lruCache{limit: maxDrawn}}
}

// getViz answers GET /tasks/{name}/viz.
func (d *Dashboard) getViz(c *gin.Context, state *core.RequestState) error {
	body, err := d.draw(c, state, "page", func(ctx context.Context, name string, m *viz.Model) ([]byte, error) {
		var b bytes.Buffer
		err := page.Write(ctx, &b, m, page.Options{Name: name, Exact: maxExactBytes, Workers: 1})
		return b.Bytes(), err
	})
	if err != nil {
		return err
	}
	c.Writer.Header()["Content-Security-Policy"] = vizPolicy(body)
	route.Write(c, http.StatusOK, []string{"text/html; charset=utf-8"}, body)
	return nil
}

// scripts matches the scripts of a page.
var scripts = regexp.MustCompile(`(?s)<script[^>]*>(.*?)</script>`)

// vizPolicy allows a page to run its own scripts, which it names by their digests,
// to show its own pictures and styles, and to be framed by this server's page.
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

// vizParameters are the query parameters of a view.
var vizParameters = []route.Parameter{
	{Name: "tensor", In: "query", Doc: "The name of the tensor in the base. Optional for changes.", Example: "encoder.layer.0.output.dense.weight"},
	{Name: "row", In: "query", Doc: "The row of a density, or the row in the middle of the window.", Example: "0"},
	{Name: "column", In: "query", Doc: "The column in the middle of the window.", Example: "0"},
	{Name: "kind", In: "query", Doc: "For layers: the type of tensor, a name with an asterisk for the number of the layer.", Example: "encoder.layer.*.output.dense.weight"},
	{Name: "of", In: "query", Doc: "For layers: show kept or neighbours.", Example: "kept"},
	{Name: "dark", In: "query", Doc: "If true, draw light on dark.", Example: "false"},
}

// getVizView answers GET /tasks/{name}/viz/{view}. The last part of the path is the
// name of a view and a format, such as kept.png.
func (d *Dashboard) getVizView(c *gin.Context, state *core.RequestState) error {
	q, err := parseVizRequest(c)
	if err != nil {
		return err
	}
	body, err := d.draw(c, state, q.key(), func(ctx context.Context, _ string, m *viz.Model) ([]byte, error) {
		view, err := q.compute(ctx, m)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = figure.Write(&b, view, q.format, figure.Style{Dark: q.dark})
		return b.Bytes(), err
	})
	if err != nil {
		return err
	}
	route.Write(c, http.StatusOK, []string{q.format.ContentType()}, body)
	return nil
}

// vizRequest is a request for a view.
type vizRequest struct {
	view         string
	format       figure.Format
	tensor, kind string
	of           viz.Aspect
	row, column  int
	dark         bool
}

// vizViews are the names of the views.
var vizViews = []string{"changes", "density", "kept", "layers", "neighbours", "shares"}

// parseVizRequest reads the path and the query. The error is a *[problem.Problem].
func parseVizRequest(c *gin.Context) (q vizRequest, err error) {
	view, format, _ := strings.Cut(c.Param("view"), ".")
	if !slices.Contains(vizViews, view) {
		return q, problem.NoRoute()
	}
	q = vizRequest{view: view, tensor: c.Query("tensor"), kind: c.Query("kind"), of: viz.Aspect(c.DefaultQuery("of", string(viz.OfKept))), dark: c.Query("dark") == "true"}
	if q.format, err = figure.ParseFormat(format); err != nil {
		return q, problem.NoRoute()
	}
	if q.of != viz.OfKept && q.of != viz.OfNeighbours {
		return q, problem.Invalid(problem.Field("of"), "is %s, must be kept or neighbours", problem.Quote(string(q.of)))
	}
	for name, n := range map[string]*int{"row": &q.row, "column": &q.column} {
		if text, ok := c.GetQuery(name); ok {
			if *n, err = strconv.Atoi(text); err != nil || *n < 0 {
				return q, problem.Invalid(problem.Field(name), "is %s, must be a whole number of at least 0", problem.Quote(text))
			}
		}
	}
	return q, nil
}

// key distinguishes the views of a delta in the cache.
func (q vizRequest) key() string {
	return strings.Join([]string{q.view, string(q.format), strconv.Quote(q.tensor), strconv.Quote(q.kind), string(q.of), strconv.Itoa(q.row), strconv.Itoa(q.column), strconv.FormatBool(q.dark)}, " ")
}

// compute computes the numbers of the view.
func (q vizRequest) compute(ctx context.Context, m *viz.Model) (viz.View, error) {
	detail := viz.Detail{Row: q.row, Column: q.column}
	switch q.view {
	case "changes":
		return m.Changes(ctx, q.tensor)
	case "density":
		return m.Density(ctx, q.tensor, q.row)
	case "kept":
		return m.Kept(ctx, q.tensor, detail)
	case "layers":
		return m.Layers(ctx, q.kind, q.of, detail)
	case "neighbours":
		return m.Neighbours(ctx, q.tensor, detail)
	}
	return m.Shares(), nil
}

// draw returns what render draws of the task in the path. viewKey identifies the
// view: the result of the same delta and view comes from the cache.
func (d *Dashboard) draw(c *gin.Context, state *core.RequestState, viewKey string, render func(ctx context.Context, name string, m *viz.Model) ([]byte, error)) (body []byte, err error) {
	name := c.Param("name")
	if err := d.core.CheckTask(problem.Field("name"), name); err != nil {
		return nil, err
	}
	state.Task = name
	ctx, cancel := context.WithTimeout(c.Request.Context(), d.core.Limits.RequestTimeout)
	defer cancel()
	select {
	case d.drawings.admitted <- struct{}{}:
		defer func() { <-d.drawings.admitted }()
	default:
		return nil, problem.Overloaded("too many requests for drawings are waiting, try again later")
	}
	err = d.engine.Inspect(ctx, name, func(file *delta.Delta, base delta.Tensors) error {
		key := file.SHA256 + " " + strconv.Quote(name) + " " + viewKey
		if body = d.drawings.drawn.get(key); body != nil {
			return nil
		}
		select {
		case d.drawings.turn <- struct{}{}:
			defer func() { <-d.drawings.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
		// Another request may have drawn it meanwhile.
		if body = d.drawings.drawn.get(key); body != nil {
			return nil
		}
		m, err := viz.New(file, base, nil)
		if err != nil {
			return err
		}
		if body, err = render(ctx, name, m); err == nil {
			d.drawings.drawn.put(key, body)
		}
		return err
	})
	switch {
	case errors.Is(err, viz.ErrTensor):
		return nil, problem.Invalid(problem.Field("tensor"), "or kind is not one that the view can show")
	case errors.Is(err, viz.ErrRow):
		return nil, problem.Invalid(problem.Field("row"), "is not a row of the tensor that can be shown")
	case err != nil:
		return nil, core.TaskProblem(ctx, err, name, problem.Field("name"))
	}
	return body, nil
}
