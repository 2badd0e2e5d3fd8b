package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"kenserve/runtime"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// The Open Inference Protocol over gRPC. It is [Server.ServeGRPC]'s part; what
// the messages mean is in infer.go and inferserver.go.

// inferenceService implements the calls with a server.
type inferenceService struct {
	pb.UnimplementedGRPCInferenceServiceServer
	s *Server
}

func (g inferenceService) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

func (g inferenceService) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: g.s.core.Ready() == nil}, nil
}

// ModelReady is false, not an error, for a task that there is not: Triton's client
// answers a question with it.
func (g inferenceService) ModelReady(_ context.Context, q *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	ready := g.s.model(q.Name, q.Version) == nil && g.s.core.Ready() == nil
	return &pb.ModelReadyResponse{Ready: ready}, nil
}

func (g inferenceService) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: inferName, Version: g.s.core.About.Version, Extensions: inferExtensions}, nil
}

func (g inferenceService) ModelMetadata(_ context.Context, q *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	if err := g.s.model(q.Name, q.Version); err != nil {
		return nil, err
	}
	m := g.s.describe(q.Name)
	tensors := func(list []inferMetadata) (out []*pb.ModelMetadataResponse_TensorMetadata) {
		for _, t := range list {
			out = append(out, &pb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
		}
		return out
	}
	return &pb.ModelMetadataResponse{
		Name: m.Name, Versions: m.Versions, Platform: m.Platform,
		Inputs: tensors(m.Inputs), Outputs: tensors(m.Outputs),
	}, nil
}

func (g inferenceService) ModelInfer(ctx context.Context, in *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	if err := g.s.model(in.ModelName, in.ModelVersion); err != nil {
		return nil, err
	}
	q, err := inferRequestOf(in, g.s.core.Limits)
	if err != nil {
		return nil, err
	}
	result, err := g.s.core.Classify(ctx, core.StateOf(ctx), &core.Call{Task: in.ModelName, At: problem.Field("model_name"), Inputs: q.inputs, InputsAt: textsAt, Options: q.options})
	if err != nil {
		return nil, err
	}
	return inferResponse(in, q, result), nil
}

// inferRequestOf reads a request.
func inferRequestOf(in *pb.ModelInferRequest, limits core.Limits) (*inferRequest, error) {
	q := &inferRequest{id: in.Id, options: runtime.Options{Truncate: true}}
	for _, p := range []struct {
		name  string
		value *bool
	}{{"raw_scores", &q.options.Raw}, {"truncate", &q.options.Truncate}} {
		if v, ok := in.Parameters[p.name]; ok {
			b, ok := v.GetParameterChoice().(*pb.InferParameter_BoolParam)
			if !ok {
				return nil, problem.Invalid(problem.Field("parameters").Member(p.name), "must be true or false")
			}
			*p.value = b.BoolParam
		}
	}
	raw := len(in.RawInputContents) > 0
	switch {
	case len(in.Inputs) > maxTensors:
		return nil, problem.Invalid(problem.Field("inputs"), "holds more than %d tensors", maxTensors)
	case len(in.Outputs) > maxTensors:
		return nil, problem.Invalid(problem.Field("outputs"), "holds more than %d tensors", maxTensors)
	case raw && len(in.RawInputContents) != len(in.Inputs):
		return nil, problem.Invalid(problem.Field("raw_input_contents"), "holds %d tensors, inputs %d", len(in.RawInputContents), len(in.Inputs))
	}
	tensors := make([]inferTensor, len(in.Inputs))
	for i, t := range in.Inputs {
		at := inferAt(i)
		tensors[i] = inferTensor{name: t.GetName(), datatype: t.GetDatatype(), shape: t.GetShape()}
		contents := t.GetContents().GetBytesContents()
		switch {
		case len(t.GetShape()) > maxRank:
			return nil, problem.Invalid(at.Member("shape"), "has more than %d dimensions", maxRank)
		case raw && t.GetContents() != nil:
			return nil, problem.Invalid(at.Member("contents"), "must not be there beside raw_input_contents")
		case raw:
			if err := takeBytes(&tensors[i], at, string(in.RawInputContents[i]), limits); err != nil {
				return nil, err
			}
		case len(contents) > limits.MaxTexts:
			return nil, problem.Invalid(at, "holds more than %d texts", limits.MaxTexts)
		}
		for _, b := range contents {
			tensors[i].elements = append(tensors[i].elements, string(b))
		}
	}
	if err := q.take(tensors, limits); err != nil {
		return nil, err
	}
	for i, out := range in.Outputs {
		at := problem.Field("outputs").Element(i)
		classes, err := classesOf(out, at)
		if err != nil {
			return nil, err
		}
		if err := q.want(at, inferOutput{name: out.GetName(), classes: classes}); err != nil {
			return nil, err
		}
	}
	if len(q.outputs) == 0 {
		q.outputs = []inferOutput{{name: outLabel}, {name: outScore}, {name: outProbabilities}}
	}
	return q, nil
}

// classesOf reads how many classes an output is asked for as, 0: as a tensor.
func classesOf(out *pb.ModelInferRequest_InferRequestedOutputTensor, at problem.Path) (int, error) {
	v, ok := out.GetParameters()["classification"]
	if !ok {
		return 0, nil
	}
	n, ok := v.GetParameterChoice().(*pb.InferParameter_Int64Param)
	if !ok || n.Int64Param < 1 || n.Int64Param > 1<<31-1 {
		return 0, problem.Invalid(at.Member("parameters.classification"), "must be a number of classes from 1")
	}
	return int(n.Int64Param), nil
}

// inferResponse writes a result, in the form in which the request came.
func inferResponse(in *pb.ModelInferRequest, q *inferRequest, r *runtime.Result) *pb.ModelInferResponse {
	out := &pb.ModelInferResponse{ModelName: in.ModelName, ModelVersion: inferVersion, Id: q.id}
	for _, a := range q.answers(r) {
		t := &pb.ModelInferResponse_InferOutputTensor{Name: a.name, Datatype: a.datatype, Shape: a.shape}
		out.Outputs = append(out.Outputs, t)
		if len(in.RawInputContents) > 0 {
			out.RawOutputContents = append(out.RawOutputContents, a.appendRaw(nil))
			continue
		}
		t.Contents = &pb.InferTensorContents{Fp32Contents: a.floats}
		for _, s := range a.strings {
			t.Contents.BytesContents = append(t.Contents.BytesContents, []byte(s))
		}
	}
	return out
}

func (g inferenceService) RepositoryIndex(_ context.Context, q *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	entries, err := g.s.index(q.Ready)
	if err != nil {
		return nil, err
	}
	out := new(pb.RepositoryIndexResponse)
	for _, e := range entries {
		out.Models = append(out.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return out, nil
}

func (g inferenceService) RepositoryModelLoad(ctx context.Context, q *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	if len(q.Parameters) > 0 {
		return nil, noLoadParameters()
	}
	if err := g.s.core.Move(ctx, core.StateOf(ctx), q.ModelName, problem.Field("task"), core.Engine.Load); err != nil {
		return nil, err
	}
	return new(pb.RepositoryModelLoadResponse), nil
}

func (g inferenceService) RepositoryModelUnload(ctx context.Context, q *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	if err := g.s.core.Move(ctx, core.StateOf(ctx), q.ModelName, problem.Field("task"), core.Engine.Unload); err != nil {
		return nil, err
	}
	return new(pb.RepositoryModelUnloadResponse), nil
}

// What calls need beyond no key, and beyond an API key.
var (
	openCalls = []string{
		pb.GRPCInferenceService_ServerLive_FullMethodName,
		pb.GRPCInferenceService_ServerReady_FullMethodName,
		"/grpc.health.v1.Health/Check",
		"/grpc.health.v1.Health/List",
		"/grpc.health.v1.Health/Watch",
	}
	adminCalls = []string{
		pb.GRPCInferenceService_RepositoryModelLoad_FullMethodName,
		pb.GRPCInferenceService_RepositoryModelUnload_FullMethodName,
	}
)

// authorizeCall refuses a call without the key that it needs.
func (s *Server) authorizeCall(ctx context.Context, method string) error {
	want := accessUse
	switch {
	case slices.Contains(openCalls, method):
		return nil
	case slices.Contains(adminCalls, method):
		want = accessAdmin
	}
	if err := s.keys.refuse(s.keys.of(received(ctx, "authorization"), received(ctx, "x-api-key")), want); err != nil {
		return err
	}
	return nil
}

// received returns what a call's metadata has under a name, if it is there once.
func received(ctx context.Context, name string) string {
	if v := metadata.ValueFromIncomingContext(ctx, name); len(v) == 1 {
		return v[0]
	}
	return ""
}

// intercept is around every unary call: it gives the call its id, lets in who
// may come in, contains panics, counts and logs.
func (s *Server) intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	h := http.Header{}
	if id := received(ctx, "x-request-id"); id != "" {
		h["X-Request-Id"] = []string{id}
	}
	state := &core.RequestState{ID: requestID(h), Started: s.core.Now()}
	ctx, span := s.tracedCall(ctx, info.FullMethod)
	if span.IsRecording() {
		state.TraceID = span.SpanContext().TraceID().String()
	}
	defer func() {
		if reason := recover(); reason != nil {
			s.options.Logger.LogAttrs(ctx, slog.LevelError, "panic contained",
				slog.String("id", state.ID), slog.Any("panic", reason), slog.String("stack", string(debug.Stack())))
			out, err = nil, problem.Internal(fmt.Errorf("panic: %v", reason), "internal error")
		}
		err = s.called(ctx, state, info.FullMethod, err)
		endSpan(span, state, attribute.Int("rpc.grpc.status_code", int(status.Code(err))))
	}()
	if err := s.authorizeCall(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	size := proto.Size(in.(proto.Message))
	if !s.core.Bodies.Take(size) {
		return nil, problem.Overloaded("too many bytes of requests are in memory, try again later")
	}
	defer s.core.Bodies.Give(size)
	return handler(core.WithState(ctx, state), in)
}

// interceptStream is around health's and reflection's streams.
func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := stream.Context()
	if err := s.authorizeCall(ctx, info.FullMethod); err != nil {
		return statusOf(ctx, core.ProblemOf(ctx, err))
	}
	return handler(srv, stream)
}

// called ends a unary call: it turns the error into a status, counts and logs.
func (s *Server) called(ctx context.Context, state *core.RequestState, method string, err error) error {
	now := s.core.Now()
	elapsed := now.Sub(state.Started)
	header := metadata.Pairs("x-request-id", state.ID)
	if state.Tokens > 0 {
		header.Append("x-queue-time-ms", route.Milliseconds(state.Queue))
		header.Append("x-inference-time-ms", route.Milliseconds(state.Inference))
		header.Append("x-tokens", strconv.Itoa(state.Tokens))
	}
	_ = grpc.SetHeader(ctx, header) // it fails for a call that is over
	if err != nil {
		if _, ok := errors.AsType[*problem.Problem](err); !ok {
			if _, ok := status.FromError(err); ok { // of the health service
				s.metrics.called(method, status.Code(err), elapsed)
				return err
			}
		}
		state.Problem = core.ProblemOf(ctx, err)
		s.metrics.failed(state.Task, state.Problem.Kind)
		err = statusOf(ctx, state.Problem)
	}
	if state.Texts > 0 {
		s.recent.add(now, elapsed, state)
	}
	code := status.Code(err)
	s.metrics.called(method, code, elapsed)
	level := slog.LevelInfo
	switch {
	case code == codes.Internal:
		level = slog.LevelError
	case code == codes.Unavailable, code == codes.FailedPrecondition:
		level = slog.LevelWarn
	case slices.Contains(openCalls, method):
		level = slog.LevelDebug
	}
	if s.options.Logger.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("id", state.ID), slog.String("method", method), slog.String("code", code.String()), slog.Duration("took", elapsed),
		}
		s.options.Logger.LogAttrs(ctx, level, "call", append(attrs, stateAttrs(state)...)...)
	}
	return err
}

// statusOf is a problem as gRPC's clients see it.
func statusOf(ctx context.Context, p *problem.Problem) error {
	code := codes.Internal
	switch p.Kind {
	case problem.KindMalformed, problem.KindValidation, problem.KindEncoding:
		code = codes.InvalidArgument
	case problem.KindNotFound:
		code = codes.NotFound
	case problem.KindTask:
		code = codes.FailedPrecondition
	case problem.KindOverloaded, problem.KindTooLarge:
		code = codes.ResourceExhausted
	case problem.KindUnauthorized:
		code = codes.Unauthenticated
	case problem.KindForbidden:
		code = codes.PermissionDenied
	case problem.KindUnavailable:
		code = codes.Unavailable
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // the client's own
			code = codes.DeadlineExceeded
		}
	case problem.KindClient:
		code = codes.Canceled
	}
	return status.Error(code, p.Message)
}
