// Package core is what all APIs share. It finds tasks, runs classifications,
// keeps the state of a request for logs and metrics, and turns errors of the
// engine into problems. It knows no API and no wire format.
package core

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Service answers the questions of every API. Set its fields before the first
// call; do not change them afterwards. All methods may be called from any
// goroutine.
type Service struct {
	Engine Engine
	Limits Limits
	About  About
	Now    func() time.Time

	// OnClassified, if not nil, is called for each result of the engine.
	OnClassified func(task string, texts int, result *runtime.Result)

	draining atomic.Bool
}

// Drain marks the beginning of the shutdown: from now on Ready returns an error.
func (s *Service) Drain() { s.draining.Store(true) }

// Draining tells whether [Service.Drain] was called.
func (s *Service) Draining() bool { return s.draining.Load() }

// Ready returns nil while the server can answer requests, and a
// *[problem.Problem] otherwise. The engine's reason is only the problem's cause,
// since it may name files; a changed base says so to the caller.
func (s *Service) Ready() error {
	if s.draining.Load() {
		return problem.Unavailable(ErrShutdown, "the server is shutting down")
	}
	if err := s.Engine.Ready(); err != nil {
		if errors.Is(err, runtime.ErrBaseChanged) {
			return problem.Unavailable(err, strings.TrimPrefix(err.Error(), "runtime: "))
		}
		return problem.Unavailable(err, "the engine is not ready")
	}
	return nil
}
