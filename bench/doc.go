// Package bench measures this machine: throughput and latency of one task ([Model]) and
// of many ([Tasks]), what a flood of requests for one task does to the latency of others
// ([Fairness]), and matrix kernels ([Kernels]).
//
// Requests go to an engine in the same process, without HTTP. Two kinds of clients send
// them. In a closed loop, each client waits for an answer before it sends the next
// request; this measures throughput. In an open loop, requests are sent at random times
// at a given rate, whether or not earlier answers have come; this measures latency, each
// counted from the time at which the request was due, so that waiting clients do not
// hide a slow engine.
package bench
