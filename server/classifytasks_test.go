package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"kenserve/server/internal/servertest"
)

// The tasks of a request run at the same time.
func TestSeveralTasksTogether(t *testing.T) {
	e := servertest.NewEngine()
	var both sync.WaitGroup
	both.Add(2)
	e.Before = func(context.Context, string) error {
		both.Done()
		both.Wait() // for ever, if the tasks run one after the other
		return nil
	}
	w := post(newServer(t, e, Options{}), `{"model":["sst2","trec"],"input":["a","b c"]}`)
	if w.Code != http.StatusOK {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// A task gives the same scores alone and among others.
func TestSeveralTasksAsAlone(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	scores := func(w string) string {
		_, rest, _ := strings.Cut(w, `"data":`)
		data, _, _ := strings.Cut(rest, `,"usage"`)
		return data
	}
	want := `[{"trec":` + scores(post(s, `{"model":"trec","input":["a b"]}`).Body.String()) +
		`,"odd":` + scores(post(s, `{"model":"odd","input":["a b"]}`).Body.String()) + `}]`
	want = strings.NewReplacer(`[[`, `[`, `]]`, `]`).Replace(want)
	got := scores(post(s, `{"model":["trec","odd"],"input":["a b"]}`).Body.String())
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The error names the first task that fails. The others are cancelled.
func TestSeveralTasksFail(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       []string
	}{
		{"no such task", `{"model":["sst2","nothing"],"input":"a"}`, 404, []string{`there is no task \"nothing\"`, `"field":"model[1]"`}},
		{"damaged", `{"model":["sst2","trec","damaged"],"input":"a"}`, 424, []string{"task damaged", `"field":"model[2]"`}},
		{"busy", `{"model":["busy","sst2"],"input":"a"}`, 429, []string{`task \"busy\": too many requests are waiting`, `"field":"model[0]"`}},
		{"not a number", `{"model":["sst2","nan"],"input":"a"}`, 500, []string{`task \"nan\"`, "not a finite number", `"field":"model[1]"`}},
		{"fault", `{"model":["sst2","unknown"],"input":"a"}`, 500, []string{`task \"unknown\": internal error`}},
		{"panic", `{"model":["sst2","panics"],"input":"a"}`, 500, []string{`"message":"internal error"`}},
		{"too long for a task", `{"model":["sst2","odd"],"input":["a","` + strings.Repeat("b ", 30) + `"],"truncate":false}`, 422, []string{`"field":"input[1]"`}},
		{"an input that one task rejects", `{"model":["sst2","untokenizable"],"input":["a"]}`, 422, []string{`"field":"input[0]"`}},
	} {
		var log strings.Builder
		e := servertest.NewEngine()
		e.Before = func(ctx context.Context, task string) error {
			if task == "sst2" || task == "trec" {
				<-ctx.Done() // cancelled by the error of the other task
				return context.Cause(ctx)
			}
			return nil
		}
		s := newServer(t, e, Options{Logger: logger(&log)})
		w := post(s, c.body)
		for _, want := range c.want {
			if w.Code != c.status || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: status %d, no %s in %s", c.name, w.Code, want, w.Body)
			}
		}
		if c.name == "panic" && !strings.Contains(log.String(), "servertest/engine.go") {
			t.Errorf("the log has no stack of the panic:\n%s", &log)
		}
	}
}

// A request that times out says so. It does not blame a task.
func TestSeveralTasksTimeout(t *testing.T) {
	e := servertest.NewEngine()
	e.Before = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	w := post(newServer(t, e, Options{RequestTimeout: 1}), `{"model":["sst2","trec"],"input":"a"}`)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no answer in time") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
