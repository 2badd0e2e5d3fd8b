package server

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// The routes that more than the router has to know.
const (
	routeHealth   = "/healthz"
	routeReady    = "/readyz"
	routeMetrics  = "/metrics"
	routeTasks    = "/tasks"
	routeStats    = "/stats"
	routePage     = "/"
	routePageFile = "/page/:file"

	routeTEIHealth  = "/tei/:task/health"
	routeLive       = "/v2/health/live"
	routeInferReady = "/v2/health/ready"
)

// Server answers HTTP requests with an engine. Make one with [New].
type Server struct {
	engine  Engine
	options Options // with defaults filled in
	metrics *metrics
	keys    keys
	bodies  budget // of request bodies in memory
	uploads chan struct{}
	recent  recent
	page    map[string]*pageFile
	router  *gin.Engine
	serving atomic.Bool // Serve was called

	servingGRPC atomic.Bool // ServeGRPC was called
	draining    atomic.Bool // shutdown began, readiness is off
	now         func() time.Time
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
	s := &Server{
		engine:  engine,
		options: options,
		metrics: newMetrics(engine, options.MetricTasks),
		keys:    newKeys(&options),
		bodies:  budget{limit: int64(options.MaxBodyMemory)},
		uploads: make(chan struct{}, maxUploads),
		router:  gin.New(),
		now:     time.Now,
	}
	if s.page, err = loadPage(); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// routes lays the routes out.
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

	get := []string{http.MethodGet, http.MethodHead}
	r.POST("/classify", s.handle(s.classify))
	r.Match(get, routeTasks, s.handle(s.listTasks))
	r.Match(get, "/tasks/:name", s.handle(s.getTask))
	r.PUT("/tasks/:name", s.handle(s.admin(s.putTask)))
	r.DELETE("/tasks/:name", s.handle(s.admin(s.deleteTask)))
	r.POST("/tasks/:name/load", s.handle(s.admin(s.loadTask)))
	r.POST("/tasks/:name/unload", s.handle(s.admin(s.unloadTask)))
	r.Match(get, routeStats, s.handle(s.getStats))
	r.Match(get, routePage, s.handle(s.getPage))
	r.Match(get, routePageFile, s.handle(s.getPage))
	r.Match(get, routeHealth, s.handle(s.health))
	r.Match(get, routeReady, s.handle(s.ready))
	r.Match(get, routeMetrics, gin.WrapH(s.metrics.handler(s.options.Logger)))

	r.POST("/tei/:task/predict", s.handle(s.teiPredict))
	r.Match(get, "/tei/:task/info", s.handle(s.teiInfo))
	r.Match(get, routeTEIHealth, s.handle(s.teiHealth))
	r.POST("/models/:task", s.handle(s.hfClassify))
	r.POST("/vllm/classify", s.handle(s.vllmClassify))

	r.Match(get, "/v2", s.handle(s.inferServer))
	r.Match(get, routeLive, s.handle(s.inferLive))
	r.Match(get, routeInferReady, s.handle(s.inferReady))
	for _, model := range []string{"/v2/models/:task", "/v2/models/:task/versions/:version"} {
		r.Match(get, model, s.handle(s.inferModel))
		r.Match(get, model+"/ready", s.handle(s.inferModelReady))
		r.POST(model+"/infer", s.handle(s.infer))
	}
	r.POST("/v2/repository/index", s.handle(s.inferIndex))
	r.POST("/v2/repository/models/:task/load", s.handle(s.admin(s.inferLoad)))
	r.POST("/v2/repository/models/:task/unload", s.handle(s.admin(s.inferUnload)))
}

func noRoute(*gin.Context, *exchange) error {
	return &problem{status: http.StatusNotFound, kind: kindNotFound, message: "there is no such route"}
}

// noMethod answers for a path that has other methods; gin has set Allow.
func noMethod(c *gin.Context, _ *exchange) error {
	if c.Request.Method == http.MethodOptions {
		c.Status(http.StatusNoContent)
		return nil
	}
	return &problem{
		status: http.StatusMethodNotAllowed, kind: kindMethod,
		message: "this route does not have that method, see the header Allow",
	}
}

// Handler returns the routes, for a server of the caller's. Limits of time and
// on headers are set by [Server.Serve] alone.
func (s *Server) Handler() http.Handler {
	return s.router
}
