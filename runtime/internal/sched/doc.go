// Package sched decides which texts are computed next, and computes them.
//
// Callers submit requests, which hold encoded texts of one task. A schedule
// forms batches of them, bounded in tokens and fair between tasks; it only
// decides, so it is tested as a table of events. An [Executor] computes the
// batches on one worker for each core.
//
// A batch has texts of one task, or of any number of tasks whose requests have
// Shares. Under load each task has few texts waiting, and a batch of few rows
// waits for the base's weights to come from memory, so tasks share the product.
package sched
