package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"kenserve/server/internal/servertest"
)

func scrape(t *testing.T, s *Server) string {
	t.Helper()
	w := do(s, http.MethodGet, "/metrics", "")
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{MetricTasks: 3})
	for _, body := range []string{
		`{"model":"trec","input":["a","b c"]}`,
		`{"model":["trec","sst2"],"input":"a"}`,
		`{"model":"trec","input":5}`,
		`{"model":"nothing","input":"a"}`,
		`{"model":"../etc","input":"a"}`,
		`{`,
		`{"model":"busy","input":"a"}`,    // the third name
		`{"model":"damaged","input":"a"}`, // has no label any more
		`{"model":"odd","input":"a"}`,
	} {
		post(s, body)
	}
	do(s, http.MethodGet, "/nothing", "")
	do(s, http.MethodGet, "/tasks/trec", "")
	do(s, http.MethodGet, "/tasks/sst2", "")
	got := scrape(t, s)
	for _, want := range []string{
		`kenserve_requests_total{task="trec"} 2`,
		`kenserve_requests_total{task="sst2"} 1`,
		`kenserve_requests_total{task="_other"} 1`,
		`kenserve_texts_total{task="trec"} 3`,
		`kenserve_tokens_total{task="trec"} 10`,
		`kenserve_errors_total{task="_none",type="validation"} 1`,
		`kenserve_errors_total{task="_none",type="malformed"} 1`,
		`kenserve_errors_total{task="_none",type="not_found"} 3`,
		`kenserve_errors_total{task="busy",type="overloaded"} 1`,
		`kenserve_errors_total{task="_other",type="task_unusable"} 1`,
		`kenserve_http_requests_total{code="200",route="/classify"} 3`,
		`kenserve_http_requests_total{code="429",route="/classify"} 1`,
		`kenserve_http_requests_total{code="404",route="_none"} 1`,
		`kenserve_http_requests_total{code="200",route="/tasks/:name"} 2`,
		`kenserve_http_request_duration_seconds_count{route="/classify"} 9`,
		`kenserve_http_requests_in_flight 1`, // the scrape
		`kenserve_queue_seconds_count 4`,
		`kenserve_queue_seconds_bucket{le="0.00025"} 4`,
		`kenserve_inference_seconds_sum 0.006`,
		`kenserve_base_bytes 1000`,
		`kenserve_base_changed 0`,
		`kenserve_resident_task_bytes 200`,
		`kenserve_resident_task_budget_bytes 5000`,
		`kenserve_resident_tasks 2`,
		`kenserve_task_loads_total 7`,
		`kenserve_task_load_errors_total 1`,
		`kenserve_task_evictions_total 3`,
		`kenserve_task_load_seconds_total 1.5`,
		`kenserve_batches_total 40`,
		`kenserve_batch_tokens_total 900`,
		`kenserve_waiting_requests 4`,
		`kenserve_waiting_tokens 120`,
		`kenserve_workspace_bytes 7000`,
		`go_goroutines `,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, "nothing") || strings.Contains(got, "etc") {
		t.Error("a name without a task is a label")
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// The number of series is bounded, however many tasks and names there are.
func TestMetricsAreBounded(t *testing.T) {
	e := servertest.NewEngine()
	for i := range 500 {
		e.Labels[fmt.Sprint("task-", i)] = []string{"yes", "no"}
	}
	s := newServer(t, e, Options{MetricTasks: 10})
	for i := range 1000 { // half of them exist
		post(s, fmt.Sprintf(`{"model":"task-%d","input":"a"}`, i))
		do(s, http.MethodGet, fmt.Sprint("/made-up/", i), "")
		do(s, fmt.Sprint("METHOD", i), "/classify", "")
	}
	got := scrape(t, s)
	if n := strings.Count(got, "kenserve_"); n > 400 {
		t.Errorf("%d series and comments", n)
	}
	if want := `kenserve_requests_total{task="_other"} 490`; !strings.Contains(got, want) {
		t.Errorf("no %s", want)
	}
}
