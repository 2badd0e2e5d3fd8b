package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/internal/memory"
	"kenserve/server/internal/core"
	"kenserve/server/internal/dashboard"
	"kenserve/server/internal/route"
)

// Server answers requests with an engine. Make one with [New].
type Server struct {
	core      *core.Service
	engine    Engine
	options   Options // with defaults filled in
	memory    *memory.Account
	metrics   *metrics
	rules     atomic.Pointer[rules] // see Reload
	dashboard *dashboard.Dashboard
	router    *gin.Engine
	table     route.Table
	byPath    map[string]*route.Operation // by path in gin's notation; see operation
	serving   atomic.Bool                 // Serve was called

	servingGRPC  atomic.Bool // ServeGRPC was called
	grpcLoopback atomic.Bool // its listener has a loopback address
	// The contexts end when the streams, and the unary calls, of gRPC have to.
	grpcStreams, grpcCalls       context.Context
	endGRPCStreams, endGRPCCalls context.CancelFunc
}

// releaseMode keeps gin from printing: nothing but the logger writes to the log. The
// mode is global.
var releaseMode = sync.OnceFunc(func() {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultWriter, gin.DefaultErrorWriter = io.Discard, io.Discard
})

// New returns a server over an engine, which the server does not close. The error is
// about options.
func New(engine Engine, options Options) (*Server, error) {
	if engine == nil {
		return nil, errors.New("server: the engine is nil")
	}
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	releaseMode()
	account := options.Memory
	if account == nil {
		account = memory.New(defaultMemory)
	}
	account.Bound(memory.Bodies, int64(options.MaxBodyMemory))
	metrics := newMetrics(engine, account, options.MetricTasks, options.LogLinesLost)
	if options.Tuner != nil {
		metrics.registry.MustRegister(tuningCollector{options.Tuner})
	}
	s := &Server{
		core: &core.Service{
			Engine: engine, Limits: options.limits(), About: options.About,
			Now: time.Now, OnClassified: metrics.classified,
		},
		engine:  engine,
		options: options,
		memory:  account,
		metrics: metrics,
		router:  gin.New(),
	}
	s.grpcStreams, s.endGRPCStreams = context.WithCancel(context.Background())
	s.grpcCalls, s.endGRPCCalls = context.WithCancel(context.Background())
	if s.dashboard, err = dashboard.New(s.core, engine, metrics.inFlight.Load); err != nil {
		return nil, err
	}
	s.routes()
	rules, err := s.newRules(options)
	if err != nil {
		return nil, err
	}
	s.rules.Store(rules)
	s.options.APIKeys, s.options.AdminKeys = nil, nil // the rules have their digests
	return s, nil
}

// Handler returns the handler of all routes, for an HTTP server of the caller. Only
// [Server.Serve] limits headers, connections and the times of reading and writing.
func (s *Server) Handler() http.Handler {
	return s.router
}
