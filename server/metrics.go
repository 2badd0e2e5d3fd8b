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
