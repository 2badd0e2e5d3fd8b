// Package inferencepb is the Open Inference Protocol over gRPC. The script generate in
// this folder generates it from inference.proto.
package inferencepb
