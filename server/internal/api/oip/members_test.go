package oip

import (
	"testing"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/servertest"
)

// Parameters of a message are refused as those of a request over REST are.
func TestMessageParameters(t *testing.T) {
	text := func(s string) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_StringParam{StringParam: s}}
	}
	number := func(n int64) *pb.InferParameter {
		return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: n}}
	}
	for _, c := range []struct {
		name                     string
		request, inputs, outputs map[string]*pb.InferParameter
		want                     string // field of the problem; empty: accepted
	}{
		{name: "none"},
		{name: "harmless", request: map[string]*pb.InferParameter{"priority": number(3), "sequence_id": text("a"), "headers": text("a")}},
		{name: "unknown", request: map[string]*pb.InferParameter{"mine": number(3)}},
		{name: "top_k", request: map[string]*pb.InferParameter{"top_k": number(3)}, want: "parameters.top_k"},
		{name: "allowed", inputs: map[string]*pb.InferParameter{"content_type": text("str"), "shared_memory_offset": number(0)}},
		{name: "content type", inputs: map[string]*pb.InferParameter{"content_type": text("np")}, want: "inputs[0].parameters.content_type"},
		{name: "shared memory", inputs: map[string]*pb.InferParameter{"shared_memory_region": text("a")}, want: "inputs[0].parameters.shared_memory_region"},
		{name: "shared memory of an output", outputs: map[string]*pb.InferParameter{"shared_memory_region": text("a")}, want: "outputs[0].parameters.shared_memory_region"},
	} {
		_, err := inferRequestOf(&pb.ModelInferRequest{
			ModelName: "trec", Parameters: c.request,
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{
				Name: "text", Datatype: "BYTES", Shape: []int64{1}, Parameters: c.inputs,
				Contents: &pb.InferTensorContents{BytesContents: [][]byte{[]byte("a")}},
			}},
			Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "label", Parameters: c.outputs}},
		}, servertest.GoldenLimits)
		got := ""
		if p := problem.Of(err); p != nil {
			got = p.Field
		}
		if got != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%s: field %q, want %q: %v", c.name, got, c.want, err)
		}
	}
}
