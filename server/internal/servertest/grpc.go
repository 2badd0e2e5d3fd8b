package servertest

import (
	pb "kenserve/server/inferencepb"
)

// BytesInput is a BYTES tensor with one element for each text.
func BytesInput(name string, texts ...string) *pb.ModelInferRequest_InferInputTensor {
	contents := new(pb.InferTensorContents)
	for _, s := range texts {
		contents.BytesContents = append(contents.BytesContents, []byte(s))
	}
	return &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: "BYTES", Shape: []int64{int64(len(texts))}, Contents: contents}
}

// BoolParameter is a parameter of a call.
func BoolParameter(b bool) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: b}}
}

// IntParameter is a parameter of a call.
func IntParameter(n int64) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: n}}
}
