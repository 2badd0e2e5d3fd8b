package server

import "github.com/prometheus/client_golang/prometheus"

// tuningCollector collects metrics of the jobs that tune tasks.
type tuningCollector struct{ tuner Tuner }

var (
	tuningsDesc      = prometheus.NewDesc("kenserve_tunings", "Jobs that tune tasks and have not ended, by state: queued or running.", []string{"state"}, nil)
	tuningsEndedDesc = prometheus.NewDesc("kenserve_tunings_ended_total", "Jobs that tune tasks and have ended, by result: done, failed or cancelled.", []string{"result"}, nil)
	tuningStepsDesc  = prometheus.NewDesc("kenserve_tuning_steps_total", "Steps of jobs that tune tasks.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c tuningCollector) Describe(out chan<- *prometheus.Desc) {
	out <- tuningsDesc
	out <- tuningsEndedDesc
	out <- tuningStepsDesc
}

// Collect implements [prometheus.Collector].
func (c tuningCollector) Collect(out chan<- prometheus.Metric) {
	n := c.tuner.Counts()
	gauge := func(state string, value int) {
		out <- prometheus.MustNewConstMetric(tuningsDesc, prometheus.GaugeValue, float64(value), state)
	}
	gauge("queued", n.Queued)
	gauge("running", n.Running)
	ended := func(result string, value uint64) {
		out <- prometheus.MustNewConstMetric(tuningsEndedDesc, prometheus.CounterValue, float64(value), result)
	}
	ended("done", n.Done)
	ended("failed", n.Failed)
	ended("cancelled", n.Cancelled)
	out <- prometheus.MustNewConstMetric(tuningStepsDesc, prometheus.CounterValue, float64(n.Steps))
}
