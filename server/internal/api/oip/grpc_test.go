package oip

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"kenserve/runtime"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/servertest"
)

func TestGoldens(t *testing.T) {
	api := New(servertest.NewService(servertest.NewEngine(), servertest.GoldenLimits))
	servertest.CheckGoldens(t, api, "../../../testdata/infer.json")
}

func bytesInput(name string, texts ...string) *pb.ModelInferRequest_InferInputTensor {
	contents := new(pb.InferTensorContents)
	for _, s := range texts {
		contents.BytesContents = append(contents.BytesContents, []byte(s))
	}
	return &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: "BYTES", Shape: []int64{int64(len(texts))}, Contents: contents}
}

func boolParameter(b bool) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: b}}
}

func intParameter(n int64) *pb.InferParameter {
	return &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: n}}
}

// Every kind of problem has a code that is not OK.
func TestStatusOf(t *testing.T) {
	for _, err := range []error{problem.Malformed("x"), problem.Invalid(problem.Field("a"), "x"), problem.NoTask(problem.Field("a"), "b"), problem.Internal(nil, "x"), problem.Unavailable(nil, "x"), runtime.ErrBusy, context.Canceled, errors.New("x"), fmt.Errorf("%w", runtime.ErrClosed)} {
		if code := status.Code(GRPCError(t.Context(), core.ProblemOf(t.Context(), err))); code == codes.OK || code == codes.Unknown {
			t.Errorf("%v: %s", err, code)
		}
	}
}

// A client whose own time is up is told that, not that the server is not there.
func TestStatusOfDeadline(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	err := GRPCError(ctx, core.ProblemOf(ctx, ctx.Err()))
	if status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func FuzzGRPCInferRequest(f *testing.F) {
	for _, q := range []*pb.ModelInferRequest{
		{ModelName: "a", Inputs: []*pb.ModelInferRequest_InferInputTensor{bytesInput("text", "a", "b"), bytesInput("text_pair", "c", "")}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "BYTES", Shape: []int64{1, 1}}}, RawInputContents: [][]byte{{0, 0, 0, 0}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{bytesInput("text", "a")}, Parameters: map[string]*pb.InferParameter{"raw_scores": boolParameter(true)},
			Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": intParameter(3)}}}},
	} {
		b, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		in := new(pb.ModelInferRequest)
		if proto.Unmarshal(message, in) != nil {
			return
		}
		q, err := inferRequestOf(in, servertest.FuzzLimits)
		if err != nil {
			servertest.CheckRefused(t, err, encodeError)
			return
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
	})
}
