package core

import (
	"context"

	"kenserve/server/internal/problem"
)

// ChangeResidency calls change, which is [Engine.Load] or [Engine.Unload], with
// the task that a request names at a path. The error is a *[problem.Problem].
func (s *Service) ChangeResidency(ctx context.Context, state *RequestState, at problem.Path, task string, change func(Engine, context.Context, string) error) error {
	if err := s.CheckTask(at, task); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	state.Task = task
	if err := change(s.Engine, ctx, task); err != nil {
		return TaskProblem(ctx, err, task, at)
	}
	return nil
}
