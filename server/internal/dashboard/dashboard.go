// Package dashboard serves people: the web page, the statistics that it shows, and
// KENviz, which draws the deltas of tasks.
package dashboard

import (
	"net/http"
	"time"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
)

// Dashboard answers the operations of the page.
type Dashboard struct {
	core     *core.Service
	engine   Engine
	inFlight func() int64
	page     map[string]*pageFile
	drawings drawings
	window   latencyWindow
}

// New returns a dashboard. inFlight returns the number of requests that are being
// answered.
func New(service *core.Service, engine Engine, inFlight func() int64) (*Dashboard, error) {
	page, err := loadPage()
	if err != nil {
		return nil, err
	}
	return &Dashboard{core: service, engine: engine, inFlight: inFlight, page: page, drawings: newDrawings()}, nil
}

// Record adds a classification request to the statistics: it took so long and was
// answered now.
func (d *Dashboard) Record(now time.Time, took time.Duration, state *core.RequestState) {
	d.window.add(now, took, state)
}

// pagePath is the path of the page.
const pagePath = "/"

// failuresDrawing are the failures of KENviz.
var failuresDrawing = []*route.Failure{route.InvalidValue, route.NoSuchTask, route.TaskUnusable, route.Overloaded, route.Unavailable}

// Operations returns the operations of the page.
func (d *Dashboard) Operations() []route.Operation {
	return []route.Operation{
		{
			Method: http.MethodGet, Path: "/tasks/:name/viz", Name: "vizTask", Tag: route.TagTasks, Summary: "Draw what a task keeps, as one page",
			Description: "KENviz: self-contained HTML with all views of the delta. A task that is not in memory is loaded.",
			Handle:      d.getViz, Answer: route.Content{Media: "text/html"}, MayFail: failuresDrawing,
		},
		{
			Method: http.MethodGet, Path: "/tasks/:name/viz/:view", Name: "vizView", Tag: route.TagTasks, Summary: "Draw one view of what a task keeps",
			Description: "view is changes, density, kept, layers, neighbours or shares, followed by a format: .png, .svg, or .json for the numbers.",
			Handle:      d.getVizView, Params: vizParameters, Answer: route.Content{Media: "image/png"}, MayFail: failuresDrawing,
		},
		{
			Method: http.MethodGet, Path: "/stats", Name: "stats", Polled: true, Tag: route.TagOperation, Summary: "Statistics of the last two minutes, second by second",
			Handle: d.getStats, Answer: route.JSON[stats](""),
		},
		{Method: http.MethodGet, Path: pagePath, Open: true, Handle: d.getPage, Hidden: true},
		{Method: http.MethodGet, Path: "/page/:file", Open: true, Handle: d.getPage, Hidden: true},
	}
}
