package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/dashboard"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/openapi"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// The routes that more than the router has to know.
const (
	routeHealth  = "/healthz"
	routeReady   = "/readyz"
	routeMetrics = "/metrics"
	routeOpenAPI = "/openapi.json"
	routeDocs    = "/docs"
)

// Server answers HTTP requests with an engine. Make one with [New].
type Server struct {
	core      *core.Service
	engine    Engine
	options   Options // with defaults filled in
	metrics   *metrics
	keys      keys
	dashboard *dashboard.Dashboard
	router    *gin.Engine
	table     route.Table
	byPath    map[string]*route.Operation // by the path as gin writes it
	serving   atomic.Bool                 // Serve was called

	openAPIJSON func() ([]byte, error) // generated once
	docsPage    func() ([]byte, error)

	servingGRPC atomic.Bool // ServeGRPC was called
}

// releaseMode keeps gin from printing its routes. The mode is the process's.
var releaseMode = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// New makes a server over an engine, which it does not close. It fails on
// options that make no sense.
func New(engine Engine, options Options) (*Server, error) {
	if engine == nil {
		return nil, errors.New("server: no engine")
	}
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	releaseMode()
	metrics := newMetrics(engine, options.MetricTasks)
	s := &Server{
		core: &core.Service{
			Engine: engine, Limits: options.limits(), About: options.About,
			Bodies: httpbody.NewBudget(options.MaxBodyMemory), Now: time.Now,
			OnClassified: metrics.classified,
		},
		engine:  engine,
		options: options,
		metrics: metrics,
		keys:    newKeys(&options),
		router:  gin.New(),
	}
	if s.dashboard, err = dashboard.New(s.core, engine, metrics.inFlight.Load); err != nil {
		return nil, err
	}
	s.routes()
	source := openapi.Source{Table: s.table, Limits: s.core.Limits, About: s.core.About, NeedsKey: len(s.keys.use) > 0}
	s.openAPIJSON = sync.OnceValues(func() ([]byte, error) { return json.Marshal(source.Document()) })
	s.docsPage = sync.OnceValues(source.Page)
	return s, nil
}

// routes lays the operations out.
func (s *Server) routes() {
	r := s.router
	// A path is what it is: no redirects to what the client might have meant,
	// and no addresses taken from headers that anyone may send.
	r.RedirectTrailingSlash = false
	r.ForwardedByClientIP = false
	r.HandleMethodNotAllowed = true
	r.Use(s.observe, s.authorize)
	r.NoRoute(s.handle(noRoute))
	r.NoMethod(s.handle(noMethod))

	s.table = s.apis()
	s.byPath = map[string]*route.Operation{}
	for _, op := range s.table.Operations() {
		s.byPath[op.Path] = &op
		handler := op.Raw
		if f := op.Handle; f != nil {
			if op.Admin {
				f = s.admin(f)
			}
			handler = s.handle(f)
		}
		r.Handle(op.Method, op.Path, handler)
		if op.Method == http.MethodGet {
			r.HEAD(op.Path, handler)
		}
	}
}

// operation is the one that a request is for, empty if there is none. What is
// asked of it here is the same for all methods of a path.
func (s *Server) operation(c *gin.Context) *route.Operation {
	if op := s.byPath[c.FullPath()]; op != nil {
		return op
	}
	return new(route.Operation)
}

func noRoute(*gin.Context, *core.RequestState) error {
	return problem.NoRoute()
}

// noMethod answers for a path that has other methods; gin has set Allow.
func noMethod(c *gin.Context, _ *core.RequestState) error {
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return &problem.Problem{
		Status: http.StatusMethodNotAllowed, Kind: problem.KindMethod,
		Message: "this route does not have that method, see the header Allow",
	}
}

// Handler returns the routes, for a server of the caller's. Limits of time and
// on headers are set by [Server.Serve] alone.
func (s *Server) Handler() http.Handler {
	return s.router
}
