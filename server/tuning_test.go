package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kenserve/dataset"
	"kenserve/runtime"
	"kenserve/server/internal/servertest"
	"kenserve/tune"
	"kenserve/tune/jobs"
)

// tuner is a fake: it keeps the last request.
type tuner struct {
	err     error
	task    string
	options jobs.Options
	texts   string
	job     jobs.Job
}

func (f *tuner) take(task string, o jobs.Options, r io.Reader, state jobs.State) (jobs.Job, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return jobs.Job{}, err
	}
	f.task, f.options, f.texts = task, o, string(b)
	return jobs.Job{
		Object: "tuning", Task: task, State: state, Ignored: []string{}, Curve: []tune.Point{{Step: 1}},
		Data:     &tune.DataReport{Labels: []string{"a"}, Findings: []tune.Finding{{Kind: "empty", Rows: []int{7}}}},
		Progress: &jobs.Progress{Stage: "train"}, Report: []byte(`{"bytes":1}`),
	}, f.err
}

func (f *tuner) Add(_ context.Context, task string, o jobs.Options, r io.Reader) (jobs.Job, error) {
	job, err := f.take(task, o, r, jobs.Queued)
	f.job = job
	return job, err
}

func (f *tuner) Check(_ context.Context, task string, o jobs.Options, r io.Reader) (jobs.Job, error) {
	return f.take(task, o, r, jobs.Checked)
}

func (f *tuner) Get(task string) (jobs.Job, error) {
	if task != f.job.Task {
		return jobs.Job{}, jobs.ErrNoJob
	}
	return f.job, nil
}

func (f *tuner) List() []jobs.Job { return []jobs.Job{f.job} }

func (f *tuner) Cancel(_ context.Context, task string) error {
	_, err := f.Get(task)
	return err
}

func (f *tuner) MaxBytes() int64 { return 100 }

func (f *tuner) Counts() jobs.Counts {
	return jobs.Counts{Queued: 2, Running: 1, Steps: 30, Done: 4, Failed: 5, Cancelled: 6}
}

func TestTuningRequests(t *testing.T) {
	const texts = "text,label\nx,a\n"
	csv := append([]string{"Content-Type", "text/csv; charset=utf-8"}, asAdmin...)
	recipe := func(change func(*jobs.Options)) jobs.Options {
		o := jobs.Options{Format: dataset.CSV, Tolerance: 0.005, Recipe: tune.Recipe{Seed: 1}}
		change(&o)
		return o
	}
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		err                      error
		status                   int
		want                     string // in the answer
		options                  jobs.Options
	}{
		{"queued", "POST", "/tasks/mine/tune", texts, csv, nil, 202, `"state":"queued"`, recipe(func(*jobs.Options) {})},
		{"checked", "POST", "/tasks/mine/tune?check=true", texts, csv, nil, 200, `"rows":[7]`, recipe(func(*jobs.Options) {})},
		{"compressed", "POST", "/tasks/mine/tune", servertest.Packed(t, texts), append([]string{"Content-Encoding", "gzip"}, csv...), nil, 202, "queued", recipe(func(*jobs.Options) {})},
		{"options", "POST", "/tasks/mine/tune?format=tsv&text_column=a&label_column=b&method=full&epochs=3&rate=1e-4&tolerance=0&seed=7&notes=n&class_weights=auto", texts, csv, nil, 202, "queued",
			recipe(func(o *jobs.Options) {
				o.Format, o.Columns.Text, o.Columns.Label, o.Tolerance, o.Notes, o.ClassWeights = dataset.TSV, "a", "b", 0, "n", "auto"
				o.Recipe.Method, o.Recipe.Epochs, o.Recipe.Rate, o.Recipe.Seed = tune.Full, 3, 1e-4, 7
			})},
		{"no admin key", "POST", "/tasks/mine/tune", texts, nil, nil, 401, "admin key", jobs.Options{}},
		{"unknown option", "POST", "/tasks/mine/tune?epoch=3", texts, csv, nil, 422, `\"epoch\"`, jobs.Options{}},
		{"repeated option", "POST", "/tasks/mine/tune?epochs=3&epochs=4", texts, csv, nil, 422, `"field":"epochs"`, jobs.Options{}},
		{"invalid option", "POST", "/tasks/mine/tune?rate=-1", texts, csv, nil, 422, `"field":"rate"`, jobs.Options{}},
		{"a path", "POST", "/tasks/mine/tune?path=/etc/passwd", texts, csv, nil, 422, `\"path\"`, jobs.Options{}},
		{"not a number", "POST", "/tasks/mine/tune?share=NaN", texts, csv, nil, 422, `"field":"share"`, jobs.Options{}},
		{"invalid name", "POST", "/tasks/.x/tune", texts, csv, nil, 422, `"field":"name"`, jobs.Options{}},
		{"empty", "POST", "/tasks/mine/tune", "", csv, nil, 422, "is empty", jobs.Options{}},
		{"too large", "POST", "/tasks/mine/tune", strings.Repeat("x", 101), csv, nil, 413, "too_large", jobs.Options{}},
		{"too large when decoded", "POST", "/tasks/mine/tune", servertest.Packed(t, strings.Repeat("x", 101)), append([]string{"Content-Encoding", "gzip"}, csv...), nil, 413, "too_large", jobs.Options{}},
		{"bad row", "POST", "/tasks/mine/tune", texts, csv, &jobs.InvalidError{Message: "row 9 is odd"}, 422, "row 9 is odd", jobs.Options{}},
		{"active", "POST", "/tasks/mine/tune", texts, csv, jobs.ErrActive, 409, `"type":"conflict"`, jobs.Options{}},
		{"full", "POST", "/tasks/mine/tune", texts, csv, jobs.ErrFull, 429, "overloaded", jobs.Options{}},
		{"read-only", "POST", "/tasks/mine/tune", texts, csv, fmt.Errorf("/var: %w", runtime.ErrReadOnly), 403, "read-only", jobs.Options{}},
		{"memory", "POST", "/tasks/mine/tune", texts, csv, runtime.ErrNoMemory, 507, "--memory", jobs.Options{}},
		{"disk", "POST", "/tasks/mine/tune", texts, csv, fmt.Errorf("%w: /var: %w", runtime.ErrNoSpace, syscall.ENOSPC), 507, "no_space", jobs.Options{}},
		{"fault", "POST", "/tasks/mine/tune", texts, csv, errors.New("/var/lib is gone"), 500, "internal", jobs.Options{}},
		{"get", "GET", "/tasks/old/tune", "", asAdmin, nil, 200, `"task":"old"`, jobs.Options{}},
		{"get without key", "GET", "/tasks/old/tune", "", nil, nil, 401, "admin key", jobs.Options{}},
		{"get none", "GET", "/tasks/mine/tune", "", asAdmin, nil, 404, "there is no job", jobs.Options{}},
		{"cancel", "DELETE", "/tasks/old/tune", "", asAdmin, nil, 204, "", jobs.Options{}},
		{"cancel none", "DELETE", "/tasks/mine/tune", "", asAdmin, nil, 404, "there is no job", jobs.Options{}},
		{"list", "GET", "/tunings", "", asAdmin, nil, 200, `"curve":[]}`, jobs.Options{}},
	} {
		f := &tuner{err: c.err, job: jobs.Job{Object: "tuning", Task: "old", State: jobs.Done, Report: []byte(`{}`), Ignored: []string{}, Curve: []tune.Point{}}}
		o := Options{AdminKeys: []string{"admin"}, Tuner: f}
		s := newServer(t, servertest.NewEngine(), o)
		w := do(s, c.method, c.path, c.body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || strings.Contains(w.Body.String(), "/var") {
			t.Errorf("%s: status %d, want %d and %s in %s", c.name, w.Code, c.status, c.want, w.Body)
		}
		if c.status < 300 && c.method == "POST" {
			if diff := cmp.Diff(c.options, f.options); diff != "" || f.texts != texts || f.task != "mine" {
				t.Errorf("%s: task %s, texts %q: %s", c.name, f.task, f.texts, diff)
			}
		} else if c.method == "POST" && c.err == nil && f.task != "" {
			t.Errorf("%s: a job was made", c.name)
		}
		d := documentOf(t, s)
		op := operationOf(s, servertest.Request{Method: c.method, Path: c.path})
		if schema := d.answer(t, op, c.status); w.Body.Len() > 0 && schema == nil {
			t.Errorf("%s: status %d is not in the document", c.name, c.status)
		} else if w.Body.Len() > 0 {
			if err := schema.Validate(parseJSON(t, w.Body.String())); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// A server without a folder for jobs does not tune.
func TestTuningIsOff(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{AdminKeys: []string{"admin"}})
	for _, r := range [][2]string{{"POST", "/tasks/mine/tune"}, {"GET", "/tasks/mine/tune"}, {"DELETE", "/tasks/mine/tune"}, {"GET", "/tunings"}} {
		if w := do(s, r[0], r[1], "text,label\n", asAdmin...); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "--tune-dir") {
			t.Errorf("%s %s: status %d: %s", r[0], r[1], w.Code, w.Body)
		}
	}
}

func TestTuningMetrics(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{Tuner: &tuner{}})
	body := do(s, http.MethodGet, "/metrics", "").Body.String()
	for _, line := range []string{
		`kenserve_tunings{state="queued"} 2`, `kenserve_tunings{state="running"} 1`, `kenserve_tuning_steps_total 30`,
		`kenserve_tunings_ended_total{result="done"} 4`, `kenserve_tunings_ended_total{result="failed"} 5`, `kenserve_tunings_ended_total{result="cancelled"} 6`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}
