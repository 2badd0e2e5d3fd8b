package core

import (
	"context"

	"kenserve/server/internal/problem"
)

// Move loads or unloads a task that a request names at a place. Its error is a
// *problem.
func (s *Service) Move(ctx context.Context, state *RequestState, task string, at problem.Path, move func(Engine, context.Context, string) error) error {
	if err := s.KnownAt(at, task); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	state.Task = task
	if err := move(s.Engine, ctx, task); err != nil {
		return TaskProblem(ctx, err, task, at)
	}
	return nil
}
