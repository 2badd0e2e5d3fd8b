package server

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"kenserve/internal/printable"
	"kenserve/runtime"
)

// engineCollector collects metrics from a snapshot of the engine's counters.
type engineCollector struct {
	engine   Engine
	maxTasks int // with series of their own
}

var (
	problemDesc = prometheus.NewDesc("kenserve_task_problem", "1 for each task whose present delta of the store is not served, with the reason; an older delta may still be.", []string{"task", "reason"}, nil)
	deltaDesc   = prometheus.NewDesc("kenserve_task_delta_info", "1 for each task in memory, with the SHA-256 of its delta.", []string{"task", "sha256"}, nil)
)

// engineMetrics has the metric of each counter of [runtime.Stats].
var engineMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *runtime.Stats) float64
}{
	{engineDesc("base_bytes", "Memory of the base's weights."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.BaseBytes) }},
	{engineDesc("base_changed", "1 if the base's files are not those that were loaded, else 0."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 {
			if s.BaseChanged {
				return 1
			}
			return 0
		}},
	{engineDesc("resident_task_bytes", "Memory of the tasks that are loaded."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.TaskBytes) }},
	{engineDesc("resident_task_budget_bytes", "Bound on the memory of loaded tasks."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.BudgetBytes) }},
	{engineDesc("resident_tasks", "Tasks that are loaded."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.Resident) }},
	{engineDesc("hot_tasks", "Tasks that are hot: in memory, ready to compute."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.HotTasks) }},
	{engineDesc("warm_tasks", "Tasks that are warm: in memory, as their deltas."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WarmTasks) }},
	{engineDesc("store_tasks", "Tasks of the store when it was last read."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.StoreTasks) }},
	{engineDesc("hot_task_bytes", "Memory of the panels of hot tasks."), prometheus.GaugeValue,
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
	{engineDesc("waiting_loads", "Loads of tasks in the queue."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.LoadsWaiting) }},
	{engineDesc("task_load_queue_seconds_total", "Time of loads of tasks in the queue."), prometheus.CounterValue,
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
	{engineDesc("waiting_requests", "Requests in the queue."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.Waiting) }},
	{engineDesc("waiting_tokens", "Tokens in the queue."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WaitingTokens) }},
	{engineDesc("workspace_bytes", "Memory for the activations of forward passes."), prometheus.GaugeValue,
		func(s *runtime.Stats) float64 { return float64(s.WorkspaceBytes) }},
}

func engineDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("kenserve_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (c engineCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range engineMetrics {
		out <- m.desc
	}
	out <- problemDesc
	out <- deltaDesc
}

// Collect implements [prometheus.Collector].
func (c engineCollector) Collect(out chan<- prometheus.Metric) {
	stats := c.engine.Stats()
	for _, m := range engineMetrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&stats))
	}
	c.collectTasks(out, problemDesc, c.engine.Problems())
	c.collectTasks(out, deltaDesc, c.engine.Digests())
}

// collectTasks collects one series for each of the first tasks by name.
func (c engineCollector) collectTasks(out chan<- prometheus.Metric, desc *prometheus.Desc, byTask map[string]string) {
	names := slices.Sorted(maps.Keys(byTask))
	for _, name := range names[:min(len(names), c.maxTasks)] {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, name, printable.Line(byTask[name]))
	}
}
