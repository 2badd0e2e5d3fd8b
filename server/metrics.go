package server

import (
	"bytes"
	"cmp"
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

	"kenserve/internal/memory"
	"kenserve/runtime"
	"kenserve/server/internal/problem"
)

// Values of the label task that are not names of tasks, which do not begin with an
// underscore.
const (
	taskNone  = "_none"  // the request names no task of the store
	taskOther = "_other" // a task without a label of its own
)

// metrics has a registry of its own, so that several servers in one process do not
// share it.
type metrics struct {
	engine   Engine
	registry *prometheus.Registry

	connections sync.Map // by name of the listener: *connections

	inFlight  atomic.Int64
	http      *prometheus.CounterVec   // route, code
	duration  *prometheus.HistogramVec // route
	calls     *prometheus.CounterVec   // method, code
	callTime  *prometheus.HistogramVec // method
	requests  *prometheus.CounterVec   // task
	texts     *prometheus.CounterVec   // task
	tokens    *prometheus.CounterVec   // task
	errors    *prometheus.CounterVec   // task, type
	reloads   *prometheus.CounterVec   // result
	queue     prometheus.Histogram
	inference prometheus.Histogram

	mu       sync.RWMutex
	labels   map[string]*taskCounters // by task
	other    *taskCounters
	maxTasks int // with labels of their own
}

// taskCounters are the counters of a task. Prometheus would look them up each time.
type taskCounters struct {
	label                   string
	requests, texts, tokens prometheus.Counter
}

// buckets, in seconds, range from a short text on a small model to the default request
// timeout.
var buckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// newMetrics returns metrics that give maxTasks tasks a label of their own. logLost,
// if not nil, returns how many lines of the log were lost.
func newMetrics(engine Engine, account *memory.Account, maxTasks int, logLost func() uint64) *metrics {
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
		duration:  prometheus.NewHistogramVec(histogram("kenserve_http_request_duration_seconds", "Time from the header of a request to its answer, by route."), []string{"route"}),
		calls:     counter("kenserve_grpc_calls_total", "gRPC calls answered, by method and status code.", "method", "code"),
		callTime:  prometheus.NewHistogramVec(histogram("kenserve_grpc_call_duration_seconds", "Time from the message of a gRPC call to its answer, by method."), []string{"method"}),
		requests:  counter("kenserve_requests_total", "Classifications answered, by task; a request for several tasks counts for each.", "task"),
		texts:     counter("kenserve_texts_total", "Texts classified, by task.", "task"),
		tokens:    counter("kenserve_tokens_total", "Tokens computed for answers, special tokens included, by task.", "task"),
		errors:    counter("kenserve_errors_total", "Requests that failed, by task and type of error.", "task", "type"),
		reloads:   counter("kenserve_reloads_total", "Times that keys, certificate or configuration were read again, by result: done, or failed, after which the old ones stay.", "result"),
		queue:     prometheus.NewHistogram(histogram("kenserve_queue_seconds", "Time of a classification in the queue.")),
		inference: prometheus.NewHistogram(histogram("kenserve_inference_seconds", "Time of computing a classification.")),
		labels:    make(map[string]*taskCounters),
		maxTasks:  maxTasks,
	}
	m.other = m.counters(taskOther)
	for _, result := range []string{"done", "failed"} {
		m.reloads.WithLabelValues(result)
	}
	if logLost == nil {
		logLost = func() uint64 { return 0 }
	}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kenserve_http_requests_in_flight", Help: "HTTP requests being answered."},
			func() float64 { return float64(m.inFlight.Load()) }),
		m.http, m.duration, m.calls, m.callTime, m.requests, m.texts, m.tokens, m.errors, m.reloads, m.queue, m.inference,
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "kenserve_log_lines_lost_total", Help: "Lines of the log that were lost because its reader stalled or is gone."},
			func() float64 { return float64(logLost()) }),
		engineCollector{engine, maxTasks},
		memoryCollector{account, &m.connections},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// handler serves the registry to one client at a time: the text is made in memory, so
// that a client that reads slowly keeps no other out.
func (m *metrics) handler(log *slog.Logger) http.Handler {
	next := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	})
	var turn sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := page{header: w.Header()}
		turn.Lock()
		next.ServeHTTP(&page, r)
		turn.Unlock()
		page.writeTo(w)
	})
}

// page is a [http.ResponseWriter] that keeps the answer.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (p *page) Header() http.Header { return p.header }

// Write implements [http.ResponseWriter].
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

// WriteHeader implements [http.ResponseWriter].
func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) writeTo(w http.ResponseWriter) {
	p.header.Set("Content-Length", strconv.Itoa(p.body.Len()))
	w.WriteHeader(cmp.Or(p.status, http.StatusOK))
	_, _ = w.Write(p.body.Bytes()) // an error means that the client has gone
}

// answered counts an HTTP request.
func (m *metrics) answered(route string, status int, elapsed time.Duration) {
	if route == "" {
		route = "_none"
	}
	m.http.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(elapsed.Seconds())
}

// called counts a gRPC call. gRPC passes known methods only, so that labels are bounded.
func (m *metrics) called(method string, code codes.Code, elapsed time.Duration) {
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.callTime.WithLabelValues(method).Observe(elapsed.Seconds())
}

// classified counts a classification under a task.
func (m *metrics) classified(task string, texts int, r *runtime.Result) {
	c := m.task(task)
	c.requests.Inc()
	c.texts.Add(float64(texts))
	c.tokens.Add(float64(r.Tokens))
	m.queue.Observe(r.Queue.Seconds())
	m.inference.Observe(r.Inference.Seconds())
}

// failed counts an error. task is the one that the request names, or empty.
func (m *metrics) failed(task string, k problem.Kind) {
	label := taskNone
	if task != "" && k != problem.KindNotFound {
		label = m.task(task).label
	}
	m.errors.WithLabelValues(label, string(k)).Inc()
}

// task returns the counters of a task. The first maxTasks tasks have their own. A name
// must belong to a task of the store: clients cannot fill the table with made-up names.
func (m *metrics) task(name string) *taskCounters {
	m.mu.RLock()
	c, full := m.labels[name], len(m.labels) >= m.maxTasks
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	if full {
		return m.other
	}
	if _, err := m.engine.Task(name); err != nil {
		return m.other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.labels[name]; c != nil {
		return c
	}
	if len(m.labels) >= m.maxTasks {
		return m.other
	}
	c = m.counters(name)
	m.labels[name] = c
	return c
}

// counters returns new counters with a value of the label task.
func (m *metrics) counters(label string) *taskCounters {
	return &taskCounters{
		label:    label,
		requests: m.requests.WithLabelValues(label),
		texts:    m.texts.WithLabelValues(label),
		tokens:   m.tokens.WithLabelValues(label),
	}
}
