package core

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"kenserve/models"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

func TestTaskProblem(t *testing.T) {
	live := t.Context()
	cancelled := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	input := func(err error) error { return &runtime.InputError{Index: 2, Err: err} }
	for _, c := range []struct {
		name   string
		ctx    context.Context
		err    error
		status int
		field  string
		want   string
	}{
		{"no task", live, fmt.Errorf("runtime: task a: %w", runtime.ErrNoTask), 404, "model", `there is no task "a"`},
		{"unusable", live, fmt.Errorf("runtime: task a: %w: damaged", runtime.ErrTaskUnusable), 424, "model", "task a: task cannot be served: damaged"},
		{"too long", live, input(runtime.ErrTooLong), 422, "input[2]", "input[2] has more tokens than the model takes, and truncation is off"},
		{"token ids", live, input(models.ErrBatch), 422, "input[2]", "input[2] has token ids that the model does not know"},
		{"token type", live, input(models.ErrTokenTypes), 422, "input[2]", "input[2] is a pair of texts, and the model takes single texts only: it has no token type for a second text"},
		{"no tokens", live, input(models.ErrEmpty), 422, "input[2]", "input[2] has no tokens: the tokenizer drops all of it and adds no special tokens"},
		{"tokenizer", live, input(errors.New("open /base/tokenizer.json")), 422, "input[2]", "input[2] cannot be tokenised"},
		{"busy", live, runtime.ErrBusy, 429, "", "too many requests are waiting, try again later"},
		{"store away", live, fmt.Errorf("runtime: task a: %w: stat /store: no such file", runtime.ErrStoreAway), 503, "", "the store cannot be reached, and the task is not in memory; try again later"},
		{"disk full", live, fmt.Errorf("runtime: put task a: %w: write /store/x", runtime.ErrNoSpace), 507, "", "the disk of the server is full; its operator must make room"},
		{"closed", live, runtime.ErrClosed, 503, "", "the server is shutting down"},
		{"drain timeout", cancelled(ErrShutdown), context.Canceled, 503, "", "the server is shutting down"},
		{"request timeout", late, context.DeadlineExceeded, 503, "", "no answer in time"},
		{"client", cancelled(context.Canceled), context.Canceled, 499, "", "the client closed the request"},
		{"a problem", live, problem.NoRoute(), 404, "", "there is no such route"},
		{"any other", live, errors.New("read /store/a.ken: input/output error"), 500, "", "internal error"},
	} {
		p := classifyProblem(c.ctx, c.err, "a", problem.Field("model"), problem.Values{Name: "input", Listed: true})
		if p.Status != c.status || p.Field != c.field || p.Message != c.want {
			t.Errorf("%s: %d %q %q, want %d %q %q", c.name, p.Status, p.Field, p.Message, c.status, c.field, c.want)
		}
	}
}
