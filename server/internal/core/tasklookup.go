package core

import (
	"context"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// FindTask describes the task that a request names at a path. The error is a
// *[problem.Problem].
func (s *Service) FindTask(at problem.Path, task string) (runtime.TaskInfo, error) {
	if !delta.ValidTask(task) {
		return runtime.TaskInfo{}, problem.NoTask(at, task)
	}
	info, err := s.Engine.Task(task)
	if err != nil {
		return info, TaskProblem(context.Background(), err, task, at) // the engine bounds the look-up, not the request
	}
	return info, nil
}

// CheckTask returns a *[problem.Problem] unless the store has the task that a
// request names at a path.
func (s *Service) CheckTask(at problem.Path, task string) error {
	_, err := s.FindTask(at, task)
	return err
}

// Labels returns the labels of the task that a request names at a path. Only the
// delta file has them: a task that was never loaded is loaded. The error is a
// *[problem.Problem].
func (s *Service) Labels(ctx context.Context, state *RequestState, at problem.Path, task string) ([]string, error) {
	info, err := s.FindTask(at, task)
	if err != nil || info.Labels != nil {
		return info.Labels, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	state.Task = task
	r, err := s.Engine.Classify(ctx, task, nil, runtime.Options{})
	if err != nil {
		return nil, TaskProblem(ctx, err, task, at)
	}
	return r.Labels, nil
}
