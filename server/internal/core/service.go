// Package core is what the APIs have in common: it finds tasks, runs
// classifications and says which problem an error of the engine is.
package core

import (
	"sync/atomic"
	"time"

	"kenserve/runtime"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/problem"
)

// Service is what every API asks. Its fields are set before its first use, and
// not changed then.
type Service struct {
	Engine Engine
	Limits Limits
	About  About
	Bodies *httpbody.Budget // of request bodies in memory
	Now    func() time.Time

	// OnClassified, if not nil, is called after each classification.
	OnClassified func(task string, texts int, result *runtime.Result)

	draining atomic.Bool // shutdown began
}

// Drain makes the service unready, for good.
func (s *Service) Drain() { s.draining.Store(true) }

// Draining tells whether [Service.Drain] was called.
func (s *Service) Draining() bool { return s.draining.Load() }

// Ready is nil while requests can be answered. Why they cannot is for the
// log alone, since it may name files.
func (s *Service) Ready() error {
	if s.draining.Load() {
		return problem.Unavailable(ErrShutdown, "the server is shutting down")
	}
	if err := s.Engine.Ready(); err != nil {
		return problem.Unavailable(err, "the engine is not ready")
	}
	return nil
}
