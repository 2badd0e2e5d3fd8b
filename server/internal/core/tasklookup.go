package core

import (
	"context"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Known fails unless there is a task of that name.
func (s *Service) Known(task string) error { return s.KnownAt(problem.Field("task"), task) }

// KnownAt is Known for a name at another place of the request.
func (s *Service) KnownAt(at problem.Path, task string) error {
	_, err := s.Find(at, task)
	return err
}

// Find describes the task that a request names at a place.
func (s *Service) Find(at problem.Path, task string) (runtime.TaskInfo, error) {
	if delta.ValidTask(task) {
		if info, ok := s.Engine.Task(task); ok {
			return info, nil
		}
	}
	return runtime.TaskInfo{}, problem.NoTask(at, task)
}

// Labels returns a task's labels. To learn them a task that was never used is
// loaded: the engine is asked to classify nothing.
func (s *Service) Labels(ctx context.Context, state *RequestState, task string) ([]string, error) {
	if err := s.Known(task); err != nil {
		return nil, err
	}
	if info, ok := s.Engine.Task(task); ok && info.Labels != nil {
		return info.Labels, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	state.Task = task
	r, err := s.Engine.Classify(ctx, task, nil, runtime.Options{})
	if err != nil {
		return nil, TaskProblem(ctx, err, task, problem.Field("task"))
	}
	return r.Labels, nil
}
