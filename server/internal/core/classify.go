package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Call is what a request for one task comes down to.
type Call struct {
	Task     string
	At       problem.Path // of the task's name in the request
	Inputs   []runtime.Input
	InputsAt problem.Values
	Options  runtime.Options
}

// Classify runs a call. Its error is a *problem.Problem.
func (s *Service) Classify(ctx context.Context, state *RequestState, c *Call) (*runtime.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	if !delta.ValidTask(c.Task) {
		return nil, problem.NoTask(c.At, c.Task)
	}
	state.Task, state.Texts = c.Task, len(c.Inputs)
	result, err := s.compute(ctx, c.Task, c.Inputs, c.Options)
	if err != nil {
		return nil, ProblemOf(ctx, taskProblem(err, c.Task, c.At, c.InputsAt))
	}
	state.add(result)
	return result, nil
}

// compute classifies under a task whose name is valid. Any number of goroutines
// of a request may call it: it counts in the metrics alone.
func (s *Service) compute(ctx context.Context, task string, inputs []runtime.Input, options runtime.Options) (*runtime.Result, error) {
	result, err := s.Engine.Classify(ctx, task, inputs, options)
	if err != nil {
		return nil, err
	}
	if err := check(result, len(inputs)); err != nil {
		message := "internal error"
		if errors.Is(err, errNotFinite) {
			message = err.Error()
		}
		return nil, problem.Internal(fmt.Errorf("task %s: %w", task, err), message)
	}
	if s.OnClassified != nil {
		s.OnClassified(task, len(inputs), result)
	}
	return result, nil
}

// taskProblem says what a client is told when a task, named at a place of its
// request, fails with err. What it does not know, [ProblemOf] does.
func taskProblem(err error, task string, at problem.Path, inputsAt problem.Values) error {
	switch {
	case errors.Is(err, runtime.ErrNoTask):
		return problem.NoTask(at, task)
	case errors.Is(err, runtime.ErrTaskUnusable):
		return &problem.Problem{
			Status: http.StatusFailedDependency, Kind: problem.KindTask,
			Field: at.String(), Message: strings.TrimPrefix(err.Error(), "runtime: "), Cause: err,
		}
	}
	input, ok := errors.AsType[*runtime.InputError](err)
	at = problem.Field("input")
	if ok && inputsAt != (problem.Values{}) {
		at = inputsAt.At(input.Index)
	}
	switch {
	case errors.Is(err, runtime.ErrTooLong):
		return problem.Invalid(at, "has more tokens than the model takes, and is not to be truncated")
	case ok && errors.Is(err, models.ErrBatch):
		return problem.Invalid(at, "has token ids that the model does not know")
	case ok:
		p := problem.Invalid(at, "cannot be tokenized")
		p.Cause = err
		return p
	}
	return err
}

var errNotFinite = errors.New("the task gave a score that is not a finite number")

// check makes sure that a result can be written: one row of finite scores an
// input. JSON has no other numbers.
func check(r *runtime.Result, inputs int) error {
	if len(r.Scores) != inputs {
		return fmt.Errorf("%d results for %d inputs", len(r.Scores), inputs)
	}
	for _, row := range r.Scores {
		if len(row) != len(r.Labels) {
			return fmt.Errorf("%d scores for %d labels", len(row), len(r.Labels))
		}
		for _, v := range row {
			if v-v != 0 {
				return errNotFinite
			}
		}
	}
	return nil
}
