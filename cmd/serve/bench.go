package main

// benchCmd is the family of measurements.
type benchCmd struct {
	Model    benchModelCmd    `cmd:"" default:"withargs" help:"Throughput and latency of a delta or a model folder (what bench alone means)."`
	Kernels  benchKernelsCmd  `cmd:"" help:"Matrix products and patching, against what this machine can do at most."`
	Tasks    benchTasksCmd    `cmd:"" help:"Throughput, latency and memory with more and more tasks."`
	Fairness benchFairnessCmd `cmd:"" help:"What one flooding task does to the latency of many others."`
}
