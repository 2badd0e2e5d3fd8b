package core

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"sync"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// TasksCall is what a request for several tasks comes down to.
type TasksCall struct {
	Tasks    []string // distinct, each a valid name
	TasksAt  problem.Values
	Inputs   []runtime.Input
	InputsAt problem.Values
	Options  runtime.Options
}

// ClassifyTasks classifies a request's inputs under each of its tasks, all at a
// time: texts are tokenised once, and the engine puts the tasks' batches side by
// side. The number of tasks is bounded by the parser. The first task that fails
// ends the others; its error, as a client is told it, names the task.
func (s *Service) ClassifyTasks(ctx context.Context, state *RequestState, c *TasksCall) ([]*runtime.Result, error) {
	ctx, cancelTimeout := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancelTimeout()
	state.Task, state.Texts = strings.Join(c.Tasks, ","), len(c.Inputs)
	inputs, err := s.Engine.Encode(ctx, c.Inputs, c.Options)
	if err != nil {
		return nil, ProblemOf(ctx, taskProblem(err, "", problem.Path{}, c.InputsAt))
	}
	together, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*runtime.Result, len(c.Tasks))
	var first struct {
		sync.Once
		task int
		err  error
	}
	var running sync.WaitGroup
	for i, task := range c.Tasks {
		running.Go(func() {
			var err error
			defer func() {
				if reason := recover(); reason != nil {
					err = &Panic{reason, debug.Stack()}
				}
				if err != nil {
					first.Do(func() { first.task, first.err = i, err })
					cancel(err)
				}
			}()
			results[i], err = s.compute(together, task, inputs, c.Options)
		})
	}
	running.Wait()
	if first.err != nil {
		state.Task = c.Tasks[first.task]
		return nil, failure(ctx, first.err, c, first.task)
	}
	for _, r := range results {
		state.add(r)
	}
	return results, nil
}

// failure is the problem of a request whose i-th task failed.
func failure(ctx context.Context, err error, c *TasksCall, i int) error {
	if p, ok := errors.AsType[*Panic](err); ok {
		panic(p) // in the request's own goroutine, which contains it
	}
	at := c.TasksAt.At(i)
	p := ProblemOf(ctx, taskProblem(err, c.Tasks[i], at, c.InputsAt))
	if p.Field == "" && p.Kind != problem.KindClient {
		p.Field, p.Message = at.String(), "task "+problem.Quote(c.Tasks[i])+": "+p.Message
	}
	return p
}

// Panic is what a goroutine of a request panicked with.
type Panic struct {
	Reason any
	Stack  []byte
}

func (p *Panic) Error() string { return "panic" }
