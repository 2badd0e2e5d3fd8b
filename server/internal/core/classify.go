package core

import (
	"context"
	"errors"
	"fmt"

	"kenserve/delta"
	"kenserve/internal/memory"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Call is a classification under one task.
type Call struct {
	Task     string
	TaskAt   problem.Path // of the task's name in the request
	Inputs   []runtime.Input
	InputsAt problem.Values // of the inputs in the request
	Options  runtime.Options
	TopK     int // labels of an input that the answer has; 0: all
}

// Classify runs a call within the request timeout and adds its cost to state. The
// error is a *[problem.Problem].
func (s *Service) Classify(ctx context.Context, state *RequestState, c *Call) (*runtime.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.RequestTimeout)
	defer cancel()
	if !delta.ValidTask(c.Task) {
		return nil, problem.NoTask(c.TaskAt, c.Task)
	}
	state.Task, state.Texts = c.Task, len(c.Inputs)
	result, err := s.classify(ctx, c.Task, c.Inputs, c.Options)
	if err != nil {
		return nil, classifyProblem(ctx, err, c.Task, c.TaskAt, c.InputsAt)
	}
	if err := reserveAnswer(ctx, result, len(c.Inputs), c.TopK); err != nil {
		return nil, err
	}
	state.add(result)
	return result, nil
}

// classify asks the engine and checks its result. Several goroutines of one
// request may call it, so it does not touch the request's state.
func (s *Service) classify(ctx context.Context, task string, inputs []runtime.Input, options runtime.Options) (*runtime.Result, error) {
	result, err := s.Engine.Classify(ctx, task, inputs, options)
	if err != nil {
		return nil, err
	}
	if err := checkResult(result, len(inputs)); err != nil {
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

const (
	// scoreBytes is what a label takes in an answer beside its name: braces, the names
	// of members, the number, and in gRPC the fields of a message.
	scoreBytes = 48
	// answerCopies is how often an answer is in memory while it is written: its buffer
	// grows by copying, and the protocol has buffers of its own.
	answerCopies = 2
)

// reserveAnswer takes the memory of the answer for inputs with topK labels each, all
// for 0, before it is written. A task may have thousands of labels with names of
// kilobytes, so that a small request has a large answer. The error is a
// *[problem.Problem].
func reserveAnswer(ctx context.Context, r *runtime.Result, inputs, topK int) error {
	longest, sum := 0, 0
	for _, label := range r.Labels {
		n := encodedLabelBytes(label) + scoreBytes
		longest = max(longest, n)
		sum += n
	}
	if topK > 0 {
		sum = min(sum, topK*longest)
	}
	if err := memory.LoanOf(ctx).Take(memory.Answers, answerCopies*int64(inputs)*int64(sum)); err != nil {
		return problem.Memory(err)
	}
	return nil
}

// encodedLabelBytes bounds the bytes of a label in JSON, where a control character,
// or one that browsers could mistake, becomes \u and four digits.
func encodedLabelBytes(label string) int {
	n := len(label)
	for i := range len(label) {
		if c := label[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= 0x7f {
			n += 5
		}
	}
	return n
}

var errNotFinite = errors.New("the task returned a score that is not a finite number")

// checkResult checks that an answer can be written: one row of scores for each
// input, and finite numbers, since JSON has no others.
func checkResult(r *runtime.Result, inputs int) error {
	if len(r.Scores) != inputs {
		return fmt.Errorf("%d results for %d inputs", len(r.Scores), inputs)
	}
	for _, row := range r.Scores {
		if len(row) != len(r.Labels) {
			return fmt.Errorf("%d scores for %d labels", len(row), len(r.Labels))
		}
		for _, v := range row {
			if v-v != 0 { // NaN or infinite
				return errNotFinite
			}
		}
	}
	return nil
}
