package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// call is what a request of a compatible API comes down to: inputs for one
// task.
type call struct {
	task    string
	at      problem.Path // of the task's name in the request
	inputs  []runtime.Input
	inputAt func(i int) problem.Path
	options runtime.Options
}

// perform runs a call. Its error is a *problem.
func (s *Server) perform(ctx context.Context, x *exchange, q *call) (*runtime.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.RequestTimeout)
	defer cancel()
	if !delta.ValidTask(q.task) {
		return nil, problem.NoTask(q.at, q.task)
	}
	result, err := s.run(ctx, x, q.task, q.inputs, q.options)
	if err != nil {
		return nil, problemOf(ctx, taskProblem(err, q.task, q.at, q.inputAt))
	}
	return result, nil
}

// run classifies inputs under a task whose name is valid, and counts it.
func (s *Server) run(ctx context.Context, x *exchange, task string, inputs []runtime.Input, options runtime.Options) (*runtime.Result, error) {
	x.task, x.texts = task, len(inputs)
	result, err := s.compute(ctx, task, inputs, options)
	if err == nil {
		x.add(result)
	}
	return result, err
}

// compute is run for any number of goroutines of a request: it counts in the
// metrics alone.
func (s *Server) compute(ctx context.Context, task string, inputs []runtime.Input, options runtime.Options) (*runtime.Result, error) {
	result, err := s.engine.Classify(ctx, task, inputs, options)
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
	s.metrics.classified(task, len(inputs), result)
	return result, nil
}

// add counts what a result cost. Tasks of one request wait at the same time
// and are computed one beside the other: the longest wait is the request's,
// and what was computed is the sum.
func (x *exchange) add(r *runtime.Result) {
	x.tokens += r.Tokens
	x.queue = max(x.queue, r.Queue)
	x.inference += r.Inference
}

// taskProblem says what a client is told when a task, named at a place of its
// request, fails with err. What it does not know, [problemOf] does.
func taskProblem(err error, task string, at problem.Path, inputAt func(i int) problem.Path) error {
	switch {
	case errors.Is(err, runtime.ErrNoTask):
		return problem.NoTask(at, task)
	case errors.Is(err, runtime.ErrTaskUnusable):
		return &problem.Problem{
			Status: http.StatusFailedDependency, Kind: problem.KindTask,
			Field: at.String(), Message: strings.TrimPrefix(err.Error(), "runtime: "), Cause: err,
		}
	}
	at = problem.Field("input")
	input, ok := errors.AsType[*runtime.InputError](err)
	if ok && inputAt != nil {
		at = inputAt(input.Index)
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

// writeCost sets the headers that tell what an answer cost.
func writeCost(c *gin.Context, x *exchange) {
	h := c.Writer.Header()
	h["X-Queue-Time-Ms"] = []string{milliseconds(x.queue)}
	h["X-Inference-Time-Ms"] = []string{milliseconds(x.inference)}
	h["X-Tokens"] = []string{strconv.Itoa(x.tokens)}
}

// milliseconds writes d with microseconds as decimals.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
}
