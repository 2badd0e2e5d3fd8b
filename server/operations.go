package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/api/huggingface"
	"kenserve/server/internal/api/native"
	"kenserve/server/internal/api/oip"
	"kenserve/server/internal/api/tei"
	"kenserve/server/internal/api/vllm"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// failuresDrawing are those of KENviz.
var failuresDrawing = []*route.Failure{route.InvalidValue, route.NoSuchTask, route.TaskUnusable, route.Overloaded, route.Unavailable}

// apis are the APIs with their operations.
func (s *Server) apis() route.Table {
	own := native.New(s.core, s.engine)
	own.Operations = append(own.Operations, s.operations()...)
	return route.Table{own, tei.New(s.core), huggingface.New(s.core), vllm.New(s.core), oip.New(s.core)}
}

// operations are those of no API.
func (s *Server) operations() []route.Operation {
	const get = http.MethodGet
	return []route.Operation{
		{
			Method: get, Path: "/tasks/:name/viz", Name: "vizTask", Tag: route.TagTasks, Summary: "What a task keeps, as one page",
			Description: "KENviz: HTML with all views of the delta, which needs nothing else. It loads a task that is not in memory.",
			Handle:      s.getViz, Answer: route.Content{Media: "text/html"}, MayFail: failuresDrawing,
		},
		{
			Method: get, Path: "/tasks/:name/viz/:view", Name: "vizView", Tag: route.TagTasks, Summary: "One view of what a task keeps",
			Description: "view is changes, density, kept, layers, neighbours or shares, and a format: .png, .svg, or .json for the numbers.",
			Handle:      s.getVizView, Params: vizParameters, Answer: route.Content{Media: "image/png"}, MayFail: failuresDrawing,
		},
		{
			Method: get, Path: routeHealth, Name: "health", Open: true, Tag: route.TagOperation, Summary: "Whether the process runs",
			Handle: s.health, Answer: route.JSON[statusBody](`{"status":"ok"}`),
		},
		{
			Method: get, Path: routeReady, Name: "ready", Open: true, Tag: route.TagOperation, Summary: "Whether requests can be answered",
			Handle: s.ready, Answer: route.JSON[statusBody](`{"status":"ready"}`), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: get, Path: routeMetrics, Name: "metrics", Polled: true, Tag: route.TagOperation, Summary: "Metrics for Prometheus",
			Raw: gin.WrapH(s.metrics.handler(s.options.Logger)), Answer: route.Content{Media: "text/plain"},
		},
		{
			Method: get, Path: routeOpenAPI, Name: "openapi", Open: true, Tag: route.TagOperation, Summary: "This document",
			Handle: s.openAPI, Answer: route.JSON[wire.AnyBody](""),
		},
		{
			Method: get, Path: routeStats, Name: "stats", Polled: true, Tag: route.TagOperation, Summary: "The last two minutes, second by second",
			Handle: s.getStats, Answer: route.JSON[stats](""),
		},
		{Method: get, Path: routeDocs, Open: true, Handle: s.docs, Hidden: true},
		{Method: get, Path: routePage, Open: true, Handle: s.getPage, Hidden: true},
		{Method: get, Path: routePageFile, Open: true, Handle: s.getPage, Hidden: true},
	}
}
