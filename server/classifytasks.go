package server

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"sync"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// runTasks classifies a request's inputs under each of its tasks, all at a
// time: texts are tokenised once, and the engine puts the tasks' batches side by
// side. The number of tasks is bounded by the parser. The first task that fails
// ends the others; its error, as a client is told it, names the task.
func (s *Server) runTasks(ctx context.Context, x *exchange, q *classifyRequest, options runtime.Options) ([]*runtime.Result, error) {
	x.task, x.texts = strings.Join(q.tasks, ","), len(q.inputs)
	inputs, err := s.engine.Encode(ctx, q.inputs, options)
	if err != nil {
		return nil, taskProblem(err, "", problem.Path{}, q.inputPlace)
	}
	together, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*runtime.Result, len(q.tasks))
	var first struct {
		sync.Once
		task int
		err  error
	}
	var running sync.WaitGroup
	for i, task := range q.tasks {
		running.Go(func() {
			var err error
			defer func() {
				if reason := recover(); reason != nil {
					err = &panicked{reason, debug.Stack()}
				}
				if err != nil {
					first.Do(func() { first.task, first.err = i, err })
					cancel(err)
				}
			}()
			results[i], err = s.compute(together, task, inputs, options)
		})
	}
	running.Wait()
	if first.err != nil {
		x.task = q.tasks[first.task]
		return nil, s.failure(ctx, first.err, q, first.task)
	}
	for _, r := range results {
		x.add(r)
	}
	return results, nil
}

// failure is the problem of a request whose i-th task failed.
func (s *Server) failure(ctx context.Context, err error, q *classifyRequest, i int) error {
	if p, ok := errors.AsType[*panicked](err); ok {
		panic(p) // in the request's own goroutine, which contains it
	}
	at := q.taskPlace(i)
	p := problemOf(ctx, taskProblem(err, q.tasks[i], at, q.inputPlace))
	if p.Field == "" && p.Kind != problem.KindClient {
		p.Field, p.Message = at.String(), "task "+problem.Quote(q.tasks[i])+": "+p.Message
	}
	return p
}

// panicked is what a goroutine of a request panicked with.
type panicked struct {
	reason any
	stack  []byte
}

func (p *panicked) Error() string { return "panic" }
