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

// Every problem has a code, and none is OK.
func TestGRPCError(t *testing.T) {
	for _, err := range []error{problem.Malformed("x"), problem.Invalid(problem.Field("a"), "x"), problem.NoTask(problem.Field("a"), "b"), problem.Internal(nil, "x"), problem.Unavailable(nil, "x"), runtime.ErrBusy, context.Canceled, errors.New("x"), fmt.Errorf("%w", runtime.ErrClosed)} {
		if code := status.Code(GRPCError(t.Context(), core.ProblemOf(t.Context(), err))); code == codes.OK || code == codes.Unknown {
			t.Errorf("%v: %s", err, code)
		}
	}
}

// After the client's own deadline the code is DeadlineExceeded, not Unavailable.
func TestGRPCErrorAfterDeadline(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	err := GRPCError(ctx, core.ProblemOf(ctx, ctx.Err()))
	if status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func FuzzGRPCInferRequest(f *testing.F) {
	for _, q := range []*pb.ModelInferRequest{
		{ModelName: "a", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "a", "b"), servertest.BytesInput("text_pair", "c", "")}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "BYTES", Shape: []int64{1, 1}}}, RawInputContents: [][]byte{{0, 0, 0, 0}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "a")}, Parameters: map[string]*pb.InferParameter{"raw_scores": servertest.BoolParameter(true)},
			Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": servertest.IntParameter(3)}}}},
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
			servertest.CheckProblem(t, err, encodeError)
			return
		}
		servertest.CheckInputs(t, q.inputs, servertest.FuzzLimits)
	})
}
