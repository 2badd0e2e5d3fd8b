package core

import (
	"context"
	"runtime/debug"
	"strings"
	"sync"

	"kenserve/internal/memory"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// TasksCall is a classification of the same inputs under several tasks.
type TasksCall struct {
	Tasks    []string       // different, valid names
	TasksAt  problem.Values // of the names in the request
	Inputs   []runtime.Input
	InputsAt problem.Values // of the inputs in the request
	Options  runtime.Options
	TopK     int // labels of an input and task that the answer has; 0: all
}

// ClassifyTasks runs a call within the request timeout and adds its cost to state.
// It runs all tasks at the same time; the engine executes their batches side by side,
// and tokenises an input once for all tasks with the same tokenizer. The parser bounds the number of tasks. The
// first task that fails cancels the others, and the problem names it.
//
// The error is a *[problem.Problem]. If the engine panics, ClassifyTasks panics
// with a *[Panic].
func (s *Service) ClassifyTasks(ctx context.Context, state *RequestState, c *TasksCall) ([]*runtime.Result, error) {
	ctx, cancelTimeout := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancelTimeout()
	state.Task, state.Texts = strings.Join(c.Tasks, ","), len(c.Inputs)
	// The tokens of all inputs stay until the last task has them.
	if err := memory.LoanOf(ctx).Take(memory.Tokens, runtime.SharedBytes(c.Inputs, s.About.MaxTokens)); err != nil {
		return nil, problem.Memory(err)
	}
	inputs := runtime.Share(c.Inputs)
	together, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]*runtime.Result, len(c.Tasks))
	var first struct { // failure
		sync.Once
		task int
		err  error
	}
	var running sync.WaitGroup
	for i, task := range c.Tasks {
		running.Go(func() {
			var err error
			defer func() {
				if value := recover(); value != nil {
					err = &Panic{value, debug.Stack()}
				}
				if err != nil {
					first.Do(func() { first.task, first.err = i, err })
					cancel(err)
				}
			}()
			results[i], err = s.classify(together, task, inputs, c.Options)
		})
	}
	running.Wait()
	if first.err != nil {
		state.Task = c.Tasks[first.task]
		return nil, c.failure(ctx, first.task, first.err)
	}
	for _, r := range results {
		if err := reserveAnswer(ctx, r, len(c.Inputs), c.TopK); err != nil {
			return nil, err
		}
		state.add(r)
	}
	return results, nil
}

// failure is the problem of a call whose task i failed with err.
func (c *TasksCall) failure(ctx context.Context, i int, err error) error {
	if p, ok := err.(*Panic); ok {
		panic(p) // on the request's goroutine, where the server recovers it
	}
	at := c.TasksAt.At(i)
	p := classifyProblem(ctx, err, c.Tasks[i], at, c.InputsAt)
	if p.Field == "" && p.Kind != problem.KindClient {
		p.Field, p.Message = at.String(), "task "+problem.Quote(c.Tasks[i])+": "+p.Message
	}
	return p
}

// Panic is a panic of one of a request's goroutines.
type Panic struct {
	Value any
	Stack []byte // of that goroutine
}

func (p *Panic) Error() string { return "panic" }
