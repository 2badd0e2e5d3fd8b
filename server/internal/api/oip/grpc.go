package oip

import (
	"context"

	"google.golang.org/grpc"

	"kenserve/runtime"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// inferenceService implements the calls of the protocol over gRPC.
type inferenceService struct {
	pb.UnimplementedGRPCInferenceServiceServer
	*handler
}

// RegisterGRPC makes srv answer the calls of the protocol. An interceptor must put
// the state of each call into its context; see [core.WithState].
func RegisterGRPC(srv grpc.ServiceRegistrar, service *core.Service) {
	pb.RegisterGRPCInferenceServiceServer(srv, inferenceService{handler: &handler{core: service}})
}

// OpenCalls need no key, AdminCalls the admin key, other calls an API key.
var (
	OpenCalls  = []string{pb.GRPCInferenceService_ServerLive_FullMethodName, pb.GRPCInferenceService_ServerReady_FullMethodName}
	AdminCalls = []string{pb.GRPCInferenceService_RepositoryModelLoad_FullMethodName, pb.GRPCInferenceService_RepositoryModelUnload_FullMethodName}
)

// ServerLive answers that the process runs.
func (g inferenceService) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady tells whether the server can answer requests.
func (g inferenceService) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: g.core.Ready() == nil}, nil
}

// ModelReady tells whether the server can answer requests for a task. Without such a
// task it answers false, not an error, because Triton's client turns the answer
// into a boolean.
func (g inferenceService) ModelReady(_ context.Context, q *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	ready := g.checkModel(q.Name, q.Version) == nil && g.core.Ready() == nil
	return &pb.ModelReadyResponse{Ready: ready}, nil
}

// ServerMetadata describes the server.
func (g inferenceService) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: serverName, Version: g.core.About.Version, Extensions: extensions}, nil
}

// ModelMetadata describes a task.
func (g inferenceService) ModelMetadata(_ context.Context, q *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	if err := g.checkModel(q.Name, q.Version); err != nil {
		return nil, err
	}
	m := g.describeTask(q.Name)
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

// ModelInfer classifies.
func (g inferenceService) ModelInfer(ctx context.Context, in *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	if err := g.checkModel(in.ModelName, in.ModelVersion); err != nil {
		return nil, err
	}
	q, err := inferRequestOf(in, g.core.Limits)
	if err != nil {
		return nil, err
	}
	result, err := g.core.Classify(ctx, core.StateOf(ctx), &core.Call{
		Task: in.ModelName, TaskAt: problem.Field("model_name"), Inputs: q.inputs, InputsAt: textsAt, Options: q.options,
	})
	if err != nil {
		return nil, err
	}
	return inferResponse(in, q, result), nil
}

// inferRequestOf converts a message. The error is a *[problem.Problem].
func inferRequestOf(in *pb.ModelInferRequest, limits core.Limits) (*request, error) {
	q := &request{id: in.Id, options: runtime.Options{Truncate: true}}
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
	if err := checkParameters(problem.Field("parameters"), in.Parameters, otherParameters); err != nil {
		return nil, err
	}
	raw := len(in.RawInputContents) > 0
	switch {
	case len(in.Inputs) > maxTensors:
		return nil, problem.Invalid(problem.Field("inputs"), "holds more than %d tensors", maxTensors)
	case len(in.Outputs) > maxTensors:
		return nil, problem.Invalid(problem.Field("outputs"), "holds more than %d tensors", maxTensors)
	case raw && len(in.RawInputContents) != len(in.Inputs):
		return nil, problem.Invalid(problem.Field("raw_input_contents"), "holds %d tensors, inputs holds %d", len(in.RawInputContents), len(in.Inputs))
	}
	tensors := make([]tensor, len(in.Inputs))
	for i, t := range in.Inputs {
		at := inputPath(i)
		if err := checkParameters(at.Member("parameters"), t.GetParameters(), otherInputParameters); err != nil {
			return nil, err
		}
		tensors[i] = tensor{name: t.GetName(), datatype: t.GetDatatype(), shape: t.GetShape()}
		contents := t.GetContents().GetBytesContents()
		switch {
		case len(t.GetShape()) > maxRank:
			return nil, problem.Invalid(at.Member("shape"), "has more than %d dimensions", maxRank)
		case raw && t.GetContents() != nil:
			return nil, problem.Invalid(at.Member("contents"), "must be empty if there is raw_input_contents")
		case raw:
			if err := setRawElements(&tensors[i], at, string(in.RawInputContents[i]), limits); err != nil {
				return nil, err
			}
		case len(contents) > limits.MaxTexts:
			return nil, problem.Invalid(at, "holds more than %d texts", limits.MaxTexts)
		}
		for _, b := range contents {
			tensors[i].elements = append(tensors[i].elements, string(b))
		}
	}
	if err := q.setInputs(tensors, limits); err != nil {
		return nil, err
	}
	for i, out := range in.Outputs {
		at := problem.Field("outputs").Element(i)
		if err := checkParameters(at.Member("parameters"), out.GetParameters(), otherOutputParameters); err != nil {
			return nil, err
		}
		classes, err := classesOf(out, at)
		if err != nil {
			return nil, err
		}
		if err := q.addOutput(at, output{name: out.GetName(), classes: classes}); err != nil {
			return nil, err
		}
	}
	if len(q.outputs) == 0 {
		q.outputs = []output{{name: outLabel}, {name: outScore}, {name: outProbabilities}}
	}
	return q, nil
}

// classesOf returns the parameter classification of an output, 0 without it. The
// error is a *[problem.Problem].
func classesOf(out *pb.ModelInferRequest_InferRequestedOutputTensor, at problem.Path) (int, error) {
	v, ok := out.GetParameters()["classification"]
	if !ok {
		return 0, nil
	}
	n, ok := v.GetParameterChoice().(*pb.InferParameter_Int64Param)
	if !ok || n.Int64Param < 1 || n.Int64Param > 1<<31-1 {
		return 0, problem.Invalid(at.Member("parameters.classification"), "must be a number of classes, at least 1")
	}
	return int(n.Int64Param), nil
}

// inferResponse converts a result. Outputs are raw contents if the inputs are.
func inferResponse(in *pb.ModelInferRequest, q *request, r *runtime.Result) *pb.ModelInferResponse {
	out := &pb.ModelInferResponse{ModelName: in.ModelName, ModelVersion: modelVersion, Id: q.id}
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

// RepositoryIndex lists the tasks of the store.
func (g inferenceService) RepositoryIndex(_ context.Context, q *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	entries, err := g.index(q.Ready)
	if err != nil {
		return nil, err
	}
	out := new(pb.RepositoryIndexResponse)
	for _, e := range entries {
		out.Models = append(out.Models, &pb.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
	}
	return out, nil
}

// RepositoryModelLoad loads a task into memory.
func (g inferenceService) RepositoryModelLoad(ctx context.Context, q *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	if len(q.Parameters) > 0 {
		return nil, noLoadParameters()
	}
	if err := g.core.ChangeResidency(ctx, core.StateOf(ctx), problem.Field("task"), q.ModelName, core.Engine.Load); err != nil {
		return nil, err
	}
	return new(pb.RepositoryModelLoadResponse), nil
}

// RepositoryModelUnload unloads a task from memory.
func (g inferenceService) RepositoryModelUnload(ctx context.Context, q *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	if err := g.core.ChangeResidency(ctx, core.StateOf(ctx), problem.Field("task"), q.ModelName, core.Engine.Unload); err != nil {
		return nil, err
	}
	return new(pb.RepositoryModelUnloadResponse), nil
}
