// Package sched decides which texts are computed next, and computes them.
//
// Callers submit requests, which hold encoded texts of one task. A schedule
// forms batches of them, bounded in tokens and fair between tasks; it only
// decides, so it is tested as a table of events. An [Executor] computes the
// batches on one worker for each core.
//
// A batch has texts of one task only. On a CPU a dense layer is bound by
// computation from about a dozen tokens on, so tasks need not share a product.
package sched
