package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"kenserve/internal/memory"
)

// memoryCollector collects metrics of the memory of requests, and of connections.
type memoryCollector struct {
	account     *memory.Account
	connections *sync.Map // see metrics
}

var (
	memoryLimitDesc   = engineDesc("request_memory_limit_bytes", "Bound on the memory of requests and connections.")
	memoryDesc        = engineDesc("request_memory_bytes", "Memory that requests and connections hold, by kind.", "kind")
	memoryPeakDesc    = engineDesc("request_memory_peak_bytes", "Most memory that requests and connections have held, by kind.", "kind")
	memoryRefusedDesc = engineDesc("request_memory_refused_total", "Times that memory was refused because its bound was reached, by kind.", "kind")
	openDesc          = engineDesc("connections", "Open connections, by listener.", "listener")
	maxDesc           = engineDesc("connections_limit", "Bound on open connections, by listener.", "listener")
	yieldedDesc       = engineDesc("connections_yielded_total", "Idle connections that were closed to make room for a new one, by listener.", "listener")
	refusedDesc       = engineDesc("connections_refused_total", "Connections that were closed at once because there was no room, by listener.", "listener")
)

// Describe implements [prometheus.Collector].
func (c memoryCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{memoryLimitDesc, memoryDesc, memoryPeakDesc, memoryRefusedDesc, openDesc, maxDesc, yieldedDesc, refusedDesc} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c memoryCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(memoryLimitDesc, float64(c.account.Limit()))
	for _, u := range c.account.Usage() {
		kind := u.Kind.String()
		gauge(memoryDesc, float64(u.Used), kind)
		gauge(memoryPeakDesc, float64(u.Peak), kind)
		counter(memoryRefusedDesc, u.Refused, kind)
	}
	c.connections.Range(func(name, value any) bool {
		listener, l := name.(string), value.(*connections)
		l.mu.Lock()
		open, yielded, refused := l.open, l.yielded, l.refused
		l.mu.Unlock()
		gauge(openDesc, float64(open), listener)
		gauge(maxDesc, float64(l.limit), listener)
		counter(yieldedDesc, yielded, listener)
		counter(refusedDesc, refused, listener)
		return true
	})
}
