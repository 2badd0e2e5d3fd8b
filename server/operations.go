package server

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/api/huggingface"
	"kenserve/server/internal/api/native"
	"kenserve/server/internal/api/oip"
	"kenserve/server/internal/api/tei"
	"kenserve/server/internal/api/vllm"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// The routes that more than the router has to know.
const (
	routeHealth  = "/healthz"
	routeReady   = "/readyz"
	routeMetrics = "/metrics"
	routeOpenAPI = "/openapi.json"
	routeDocs    = "/docs"
)

// apis are the APIs with their operations.
func (s *Server) apis() route.Table {
	own := native.New(s.core, s.engine)
	own.Operations = slices.Concat(own.Operations, s.dashboard.Operations(), s.operations())
	return route.Table{own, tei.New(s.core), huggingface.New(s.core), vllm.New(s.core), oip.New(s.core)}
}

// operations are those of no API.
func (s *Server) operations() []route.Operation {
	const get = http.MethodGet
	return []route.Operation{
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
		{Method: get, Path: routeDocs, Open: true, Handle: s.docs, Hidden: true},
	}
}
