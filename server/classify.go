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

	"kenserve/runtime"
)

// classify answers POST /classify. Several tasks run one after the other, so
// that one request never takes more than one place in the engine's queue.
func (s *Server) classify(c *gin.Context, x *exchange) error {
	mem := scratches.Get().(*scratch)
	defer mem.release()
	body, wrong := mem.readBody(c.Request, s.options.MaxBodyBytes)
	if wrong != nil {
		return wrong
	}
	q, wrong := parseClassify(body, &s.options)
	if wrong != nil {
		return wrong
	}

	ctx, cancel := context.WithTimeout(c.Request.Context(), s.options.RequestTimeout)
	defer cancel()
	x.texts = len(q.inputs)
	var one [1]*runtime.Result
	results := one[:0]
	for i := range q.tasks {
		result, err := s.run(ctx, q, i, x)
		if err != nil {
			return problemOf(ctx, err)
		}
		results = append(results, result)
	}

	mem.appendClassified(q, results, x.id, x.tokens, s.now())
	h := c.Writer.Header()
	h["X-Queue-Time-Ms"] = []string{milliseconds(x.queue)}
	h["X-Inference-Time-Ms"] = []string{milliseconds(x.inference)}
	h["X-Tokens"] = []string{strconv.Itoa(x.tokens)}
	writeJSON(c, http.StatusOK, mem.out)
	return nil
}

// run classifies the request's inputs under its i-th task.
func (s *Server) run(ctx context.Context, q *classifyRequest, i int, x *exchange) (*runtime.Result, error) {
	x.task = q.tasks[i]
	result, err := s.engine.Classify(ctx, x.task, q.inputs, runtime.Options{Truncate: q.truncate, Raw: q.raw})
	if err != nil {
		return nil, taskProblem(err, q, i)
	}
	if err := check(result, len(q.inputs)); err != nil {
		message := "internal error"
		if errors.Is(err, errNotFinite) {
			message = err.Error()
		}
		return nil, internal(fmt.Errorf("task %s: %w", x.task, err), message)
	}
	s.metrics.classified(x.task, len(q.inputs), result)
	x.tokens += result.Tokens
	x.queue += result.Queue
	x.inference += result.Inference
	return result, nil
}

// taskProblem says what a client is told when its i-th task fails with err.
// What it does not know, [problemOf] does.
func taskProblem(err error, q *classifyRequest, i int) error {
	switch {
	case errors.Is(err, runtime.ErrNoTask):
		return noTask(q.taskPlace(i).String(), q.tasks[i])
	case errors.Is(err, runtime.ErrTaskUnusable):
		return &problem{
			status: http.StatusFailedDependency, kind: kindTask,
			field: q.taskPlace(i).String(), message: strings.TrimPrefix(err.Error(), "runtime: "), cause: err,
		}
	}
	at := place{list: "input", index: whole}
	input, ok := errors.AsType[*runtime.InputError](err)
	if ok {
		at = q.inputPlace(input.Index)
	}
	switch {
	case errors.Is(err, runtime.ErrTooLong):
		return invalid(at.String(), "has more tokens than the model takes, and truncate is false")
	case ok:
		p := invalid(at.String(), "cannot be tokenized")
		p.cause = err
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

// appendClassified appends the answer to m.out.
func (m *scratch) appendClassified(q *classifyRequest, results []*runtime.Result, id string, tokens int, now time.Time) {
	b := append(m.out[:0], `{"object":"classify","model":`...)
	if q.several {
		for i, task := range q.tasks {
			b = appendString(append(b, "[,"[min(i, 1)]), task)
		}
		b = append(b, ']')
	} else {
		b = appendString(b, q.tasks[0])
	}
	b = append(b, `,"data":`...)
	for i := range q.inputs {
		b = append(b, "[,"[min(i, 1)])
		if !q.several {
			b = m.appendScores(b, results[0], i, q.topK)
			continue
		}
		for j, r := range results {
			b = appendString(append(b, "{,"[min(j, 1)]), q.tasks[j])
			b = m.appendScores(append(b, ':'), r, i, q.topK)
		}
		b = append(b, '}')
	}
	b = append(b, `],"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(tokens), 10)
	b = append(b, `},"id":`...)
	b = appendString(b, id)
	b = append(b, `,"created":`...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	m.out = append(b, "}\n"...)
}

// appendScores appends the k best labels of input i, all for k = 0.
func (m *scratch) appendScores(b []byte, r *runtime.Result, i, k int) []byte {
	m.order = rank(m.order, r.Scores[i], k)
	b = append(b, '[')
	for n, j := range m.order {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"label":`...), r.Labels[j])
		b = appendScore(append(b, `,"score":`...), r.Scores[i][j])
		b = append(b, '}')
	}
	return append(b, ']')
}

// milliseconds writes d with microseconds as decimals.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 3, 64)
}
