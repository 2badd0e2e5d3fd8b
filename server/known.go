package server

import (
	"context"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// known fails unless there is a task of that name.
func (s *Server) known(task string) error { return s.knownAt(problem.Field("task"), task) }

// knownAt is known for a name at another place of the request.
func (s *Server) knownAt(at problem.Path, task string) error {
	_, err := s.find(at, task)
	return err
}

// find describes the task that a request names at a place.
func (s *Server) find(at problem.Path, task string) (runtime.TaskInfo, error) {
	if delta.ValidTask(task) {
		if info, ok := s.engine.Task(task); ok {
			return info, nil
		}
	}
	return runtime.TaskInfo{}, problem.NoTask(at, task)
}

// labels returns a task's labels. To learn them a task that was never used is
// loaded: the engine is asked to classify nothing.
func (s *Server) labels(ctx context.Context, x *exchange, task string) ([]string, error) {
	if err := s.known(task); err != nil {
		return nil, err
	}
	if info, ok := s.engine.Task(task); ok && info.Labels != nil {
		return info.Labels, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.RequestTimeout)
	defer cancel()
	x.task = task
	r, err := s.engine.Classify(ctx, task, nil, runtime.Options{})
	if err != nil {
		return nil, problemOf(ctx, taskProblem(err, task, problem.Field("task"), nil))
	}
	return r.Labels, nil
}

// serviceable is nil while requests can be answered. Why they cannot is for the
// log alone, since it may name files.
func (s *Server) serviceable() error {
	if s.draining.Load() {
		return problem.Unavailable(errShutdown, "the server is shutting down")
	}
	if err := s.engine.Ready(); err != nil {
		return problem.Unavailable(err, "the engine is not ready")
	}
	return nil
}
