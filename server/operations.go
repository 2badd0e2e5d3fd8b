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

// Paths that several files name.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
	openAPIPath = "/openapi.json"
	docsPath    = "/docs"
)

// apis returns the table of the APIs with their operations. Those of the dashboard and
// of the server itself have the errors of the native API.
func (s *Server) apis() route.Table {
	var tuner native.Tuner
	if s.options.Tuner != nil {
		tuner = s.options.Tuner
	}
	own := native.New(s.core, s.engine, tuner)
	own.Operations = slices.Concat(own.Operations, s.dashboard.Operations(), s.operations())
	return route.Table{own, tei.New(s.core), huggingface.New(s.core), vllm.New(s.core), oip.New(s.core)}
}

// operations returns the operations of the server itself.
func (s *Server) operations() []route.Operation {
	const get = http.MethodGet
	return []route.Operation{
		{
			Method: get, Path: healthPath, Name: "health", Open: true, Tag: route.TagOperation, Summary: "Whether the process runs",
			Handle: s.health, Answer: route.JSON[statusBody](`{"status":"ok"}`),
		},
		{
			Method: get, Path: readyPath, Name: "ready", Open: true, Tag: route.TagOperation, Summary: "Whether the server can answer requests",
			Handle: s.ready, Answer: route.JSON[statusBody](`{"status":"ready"}`), MayFail: []*route.Failure{route.Unavailable},
		},
		{
			Method: get, Path: metricsPath, Name: "metrics", Polled: true, Tag: route.TagOperation, Summary: "Metrics for Prometheus",
			Raw: gin.WrapH(s.metrics.handler(s.options.Logger)), Answer: route.Content{Media: "text/plain"},
		},
		{
			Method: get, Path: openAPIPath, Name: "openapi", Open: true, Tag: route.TagOperation, Summary: "This document",
			Handle: s.openAPI, Answer: route.JSON[wire.AnyBody](""),
		},
		{Method: get, Path: docsPath, Open: true, Handle: s.docs, Hidden: true},
	}
}
