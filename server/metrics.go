package server

import (
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc/codes"

	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Values of the label task that are not tasks. No task's name begins with an
// underscore.
const (
	taskNone  = "_none"  // the request named no task that exists
	taskOther = "_other" // one of those that got no label of their own
)

// metrics counts in a registry of its own, so that servers in one process, and
// tests, do not share.
type metrics struct {
	engine   Engine
	registry *prometheus.Registry

	inFlight  atomic.Int64
	http      *prometheus.CounterVec   // route, code
	duration  *prometheus.HistogramVec // route
	calls     *prometheus.CounterVec   // method, code
	callTime  *prometheus.HistogramVec // method
	requests  *prometheus.CounterVec   // task
	texts     *prometheus.CounterVec   // task
	tokens    *prometheus.CounterVec   // task
	errors    *prometheus.CounterVec   // task, type
	queue     prometheus.Histogram
	inference prometheus.Histogram

	mu     sync.RWMutex
	labels map[string]*taskCounters // by task
	other  *taskCounters
	most   int
}

// taskCounters are a task's counters, looked up once.
type taskCounters struct {
	label                   string
	requests, texts, tokens prometheus.Counter
}

// buckets, in seconds, cover a short text on a small model to a request that
// waited for its time-out.
var buckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(engine Engine, most int) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	}
	m := &metrics{
		engine:    engine,
		registry:  prometheus.NewRegistry(),
		http:      counter("kenserve_http_requests_total", "HTTP requests answered, by route and status code.", "route", "code"),
		duration:  prometheus.NewHistogramVec(histogram("kenserve_http_request_duration_seconds", "Time from a request's header to its answer, by route."), []string{"route"}),
		calls:     counter("kenserve_grpc_calls_total", "gRPC calls answered, by method and status code.", "method", "code"),
		callTime:  prometheus.NewHistogramVec(histogram("kenserve_grpc_call_duration_seconds", "Time from a gRPC call's message to its answer, by method."), []string{"method"}),
		requests:  counter("kenserve_requests_total", "Classifications answered, by task; a request for several tasks counts for each.", "task"),
		texts:     counter("kenserve_texts_total", "Texts classified, by task.", "task"),
		tokens:    counter("kenserve_tokens_total", "Tokens computed for answers, special ones included, by task.", "task"),
		errors:    counter("kenserve_errors_total", "Requests that failed, by task and type of error.", "task", "type"),
		queue:     prometheus.NewHistogram(histogram("kenserve_queue_seconds", "Time a classification waited before it was computed.")),
		inference: prometheus.NewHistogram(histogram("kenserve_inference_seconds", "Time a classification was computed.")),
		labels:    make(map[string]*taskCounters),
		most:      most,
	}
	m.other = m.counters(taskOther)
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kenserve_http_requests_in_flight", Help: "HTTP requests being answered."},
			func() float64 { return float64(m.inFlight.Load()) }),
		m.http, m.duration, m.calls, m.callTime, m.requests, m.texts, m.tokens, m.errors, m.queue, m.inference,
		engineCollector{engine},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// handler serves the registry.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		MaxRequestsInFlight: 4,
	})
}

// answered counts a request, whatever its route.
func (m *metrics) answered(route string, status int, elapsed time.Duration) {
	if route == "" {
		route = "_none"
	}
	m.http.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(elapsed.Seconds())
}

// called counts a gRPC call. Only methods that there are get here.
func (m *metrics) called(method string, code codes.Code, elapsed time.Duration) {
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.callTime.WithLabelValues(method).Observe(elapsed.Seconds())
}

// classified counts what was computed for a task.
func (m *metrics) classified(task string, texts int, r *runtime.Result) {
	c := m.task(task)
	c.requests.Inc()
	c.texts.Add(float64(texts))
	c.tokens.Add(float64(r.Tokens))
	m.queue.Observe(r.Queue.Seconds())
	m.inference.Observe(r.Inference.Seconds())
}

// failed counts an error. The task is what the request named, if it got that
// far.
func (m *metrics) failed(task string, k problem.Kind) {
	label := taskNone
	if task != "" && k != problem.KindNotFound {
		label = m.task(task).label
	}
	m.errors.WithLabelValues(label, string(k)).Inc()
}

// task finds a task's counters. A name gets some of its own if it is the name
// of a task and there is room; requests cannot fill the table with names that
// they make up.
func (m *metrics) task(name string) *taskCounters {
	m.mu.RLock()
	c, full := m.labels[name], len(m.labels) >= m.most
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	if full {
		return m.other
	}
	if _, ok := m.engine.Task(name); !ok {
		return m.other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.labels[name]; c != nil {
		return c
	}
	if len(m.labels) >= m.most {
		return m.other
	}
	c = m.counters(name)
	m.labels[name] = c
	return c
}

func (m *metrics) counters(label string) *taskCounters {
	return &taskCounters{
		label:    label,
		requests: m.requests.WithLabelValues(label),
		texts:    m.texts.WithLabelValues(label),
		tokens:   m.tokens.WithLabelValues(label),
	}
}

// engineCollector turns one snapshot of the engine's counters into metrics.
type engineCollector struct {
	engine Engine
}

// engineMetrics says how each counter of [runtime.Stats] is shown.
var engineMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *runtime.Stats) float64
}{
	{engineDesc("base_bytes", "Memory of the base's weights."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.BaseBytes) }},
	{engineDesc("resident_task_bytes", "Memory of the tasks that are loaded."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.TaskBytes) }},
	{engineDesc("resident_task_budget_bytes", "Memory that loaded tasks stay within."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.BudgetBytes) }},
	{engineDesc("resident_tasks", "Tasks that are loaded."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.Resident) }},
	{engineDesc("hot_tasks", "Tasks that are hot: in memory, ready to compute."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.HotTasks) }},
	{engineDesc("warm_tasks", "Tasks that are warm: in memory, as their deltas."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WarmTasks) }},
	{engineDesc("store_tasks", "Tasks of the store when it was last looked through."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.StoreTasks) }},
	{engineDesc("hot_task_bytes", "Of the memory of tasks, what is there to have them hot."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.HotBytes) }},
	{engineDesc("task_hits_total", "Requests that found their task in memory."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Hits) }},
	{engineDesc("task_misses_total", "Requests that waited for their task to be loaded."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Misses) }},
	{engineDesc("task_promotions_total", "Tasks that were made hot."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Promotions) }},
	{engineDesc("task_demotions_total", "Hot tasks that were made warm."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Demotions) }},
	{engineDesc("task_replacements_total", "Tasks in memory that were replaced by a newer delta of the store."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Replacements) }},
	{engineDesc("waiting_loads", "Loads of tasks that wait for their turn."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.LoadsWaiting) }},
	{engineDesc("task_load_queue_seconds_total", "Time that loads of tasks waited for their turn."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return s.LoadQueueSeconds }},
	{engineDesc("task_loads_total", "Tasks loaded from the store."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Loads) }},
	{engineDesc("task_load_errors_total", "Loads of tasks that failed."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.LoadErrors) }},
	{engineDesc("task_evictions_total", "Tasks evicted from memory to make room."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Evictions) }},
	{engineDesc("task_load_seconds_total", "Time spent loading tasks."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return s.LoadSeconds }},
	{engineDesc("batches_total", "Forward passes."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Batches) }},
	{engineDesc("batch_tokens_total", "Tokens of all forward passes."), prometheus.CounterValue,
		func(s *runtime.Stats) float64 { return float64(s.Tokens) }},
	{engineDesc("waiting_requests", "Requests that wait to be computed."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.Waiting) }},
	{engineDesc("waiting_tokens", "Tokens that wait to be computed."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WaitingTokens) }},
	{engineDesc("workspace_bytes", "Memory for the activations of forward passes."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WorkspaceBytes) }},
}

func engineDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kenserve_"+name, help, nil, nil)
}

// Describe implements [prometheus.Collector].
func (c engineCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range engineMetrics {
		out <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c engineCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.engine.Stats()
	for _, m := range engineMetrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&stats))
	}
}
