// Package inferencepb is the Open Inference Protocol over gRPC, generated from
// inference.proto by the script generate beside it.
package inferencepb
