package main

import (
	"fmt"

	"kenserve/bench"
)

// benchCmd groups the benchmarks.
type benchCmd struct {
	Model    benchModelCmd    `cmd:"" default:"withargs" help:"Measure throughput and latency of a delta or of a whole model (the default benchmark)."`
	Kernels  benchKernelsCmd  `cmd:"" help:"Measure matrix products and patching against the limits of this machine."`
	Tasks    benchTasksCmd    `cmd:"" help:"Measure throughput, latency and memory with different numbers of tasks."`
	Fairness benchFairnessCmd `cmd:"" help:"Measure the latency of many tasks beside one that is flooded with requests."`
}

// formatQuantiles writes quantiles of the latency of requests.
func formatQuantiles(q bench.Quantiles) string {
	return fmt.Sprintf("%.2f ms half of the requests, %.2f ms 90%%, %.2f ms 99%%, %.2f ms all", q.P50, q.P90, q.P99, q.Max)
}
