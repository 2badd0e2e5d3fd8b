package server

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/servertest"
)

// dialed is a server on a loopback port and a connection to it.
type dialed struct {
	*grpc.ClientConn
	infer  pb.GRPCInferenceServiceClient
	ln     net.Listener
	cancel context.CancelFunc
	done   chan error
}

func dial(t *testing.T, s *Server, options ...grpc.DialOption) *dialed {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if len(options) == 0 {
		options = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(ln.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d := &dialed{conn, pb.NewGRPCInferenceServiceClient(conn), ln, cancel, make(chan error, 1)}
	go func() { d.done <- s.ServeGRPC(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
	})
	return d
}

// stop ends the server and returns the error of ServeGRPC.
func (d *dialed) stop() error {
	d.cancel()
	return <-d.done
}

// rawBytes and rawFloats encode the raw contents of a tensor.
func rawBytes(elements []string) (b []byte) {
	for _, e := range elements {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(e))), e...)
	}
	return b
}

func rawFloats(values []float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestGRPCInfer(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	d := dial(t, s)
	texts := []string{"a b", "日本"}
	scores := func(texts []string, raw bool) (best, all []float32) {
		for _, text := range texts {
			row := servertest.Scores(strings.Fields(text), 2, raw)
			all = append(all, row...)
			best = append(best, max(row[0], row[1]))
		}
		return best, all
	}
	best, all := scores(texts, false)
	_, raw := scores(texts, true)
	label := &pb.ModelInferResponse_InferOutputTensor{Name: "label", Datatype: "BYTES", Shape: []int64{2},
		Contents: &pb.InferTensorContents{BytesContents: [][]byte{[]byte("positive"), []byte("positive")}}}
	score := &pb.ModelInferResponse_InferOutputTensor{Name: "score", Datatype: "FP32", Shape: []int64{2}, Contents: &pb.InferTensorContents{Fp32Contents: best}}
	probabilities := func(values []float32) *pb.ModelInferResponse_InferOutputTensor {
		return &pb.ModelInferResponse_InferOutputTensor{Name: "probabilities", Datatype: "FP32", Shape: []int64{2, 2}, Contents: &pb.InferTensorContents{Fp32Contents: values}}
	}
	header := &pb.ModelInferResponse{ModelName: "sst2", ModelVersion: "1"}
	want := func(change func(*pb.ModelInferResponse)) *pb.ModelInferResponse {
		out := proto.Clone(header).(*pb.ModelInferResponse)
		change(out)
		return out
	}
	for _, c := range []struct {
		name string
		in   *pb.ModelInferRequest
		want *pb.ModelInferResponse
	}{
		{"contents", &pb.ModelInferRequest{ModelName: "sst2", Id: "42", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", texts...)}},
			want(func(r *pb.ModelInferResponse) {
				r.Id = "42"
				r.Outputs = []*pb.ModelInferResponse_InferOutputTensor{label, score, probabilities(all)}
			})},
		{"raw scores of one output", &pb.ModelInferRequest{
			ModelName: "sst2", ModelVersion: "1", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("input", texts...)},
			Parameters: map[string]*pb.InferParameter{"raw_scores": servertest.BoolParameter(true), "priority": servertest.IntParameter(1)},
			Outputs:    []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities"}},
		}, want(func(r *pb.ModelInferResponse) {
			r.Outputs = []*pb.ModelInferResponse_InferOutputTensor{probabilities(raw)}
		})},
		{"raw contents", &pb.ModelInferRequest{
			ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "text", Datatype: "BYTES", Shape: []int64{2, 1}}},
			RawInputContents: [][]byte{rawBytes(texts)},
			Outputs:          []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "label"}, {Name: "score"}},
		}, want(func(r *pb.ModelInferResponse) {
			r.Outputs = []*pb.ModelInferResponse_InferOutputTensor{{Name: "label", Datatype: "BYTES", Shape: []int64{2, 1}}, {Name: "score", Datatype: "FP32", Shape: []int64{2, 1}}}
			r.RawOutputContents = [][]byte{rawBytes([]string{"positive", "positive"}), rawFloats(best)}
		})},
		{"classification", &pb.ModelInferRequest{
			ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "a b")},
			Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": servertest.IntParameter(1)}}},
		}, want(func(r *pb.ModelInferResponse) {
			r.Outputs = []*pb.ModelInferResponse_InferOutputTensor{{Name: "probabilities", Datatype: "BYTES", Shape: []int64{1, 1},
				Contents: &pb.InferTensorContents{BytesContents: [][]byte{[]byte("0.531250:1:positive")}}}}
		})},
	} {
		var header metadata.MD
		got, err := d.infer.ModelInfer(metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "mine"), c.in, grpc.Header(&header), grpc.UseCompressor(gzip.Name))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if id, cost := header.Get("x-request-id"), header.Get("x-inference-time-ms"); len(id) != 1 || id[0] != "mine" || len(cost) != 1 || cost[0] != "1.500" {
			t.Errorf("%s: header %v", c.name, header)
		}
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	metrics := scrape(t, s)
	for _, want := range []string{
		`kenserve_grpc_calls_total{code="OK",method="/inference.GRPCInferenceService/ModelInfer"} 4`,
		`kenserve_requests_total{task="sst2"} 4`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	e := servertest.NewEngine()
	d := dial(t, newServer(t, e, Options{MaxTexts: 4, MaxTextBytes: 200, MaxBodyBytes: 4096, AdminKeys: []string{"admin"}}))
	one := servertest.BytesInput("text", "a")
	infer := func(q *pb.ModelInferRequest) func(ctx context.Context) error {
		return func(ctx context.Context) error { _, err := d.infer.ModelInfer(ctx, q); return err }
	}
	task := func(name string) func(ctx context.Context) error {
		return infer(&pb.ModelInferRequest{ModelName: name, Inputs: []*pb.ModelInferRequest_InferInputTensor{one}})
	}
	inputs := func(list ...*pb.ModelInferRequest_InferInputTensor) func(ctx context.Context) error {
		return infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: list})
	}
	numbers := &pb.ModelInferRequest_InferInputTensor{Name: "text", Datatype: "FP32", Shape: []int64{1}, Contents: &pb.InferTensorContents{Fp32Contents: []float32{1}}}
	shaped := servertest.BytesInput("text", "a")
	shaped.Shape = []int64{-1}
	deep := servertest.BytesInput("text", "a")
	deep.Shape = []int64{1, 1, 1, 1, 1, 1, 1, 1, 1}
	for _, c := range []struct {
		name string
		call func(ctx context.Context) error
		code codes.Code
		want string
	}{
		{"no such task", task("nothing"), codes.NotFound, `there is no task "nothing"`},
		{"invalid task name", task("../x"), codes.NotFound, `there is no task "../x"`},
		{"damaged", task("damaged"), codes.FailedPrecondition, "its delta is damaged"},
		{"busy", task("busy"), codes.ResourceExhausted, "too many requests are waiting"},
		{"closed", task("closed"), codes.Unavailable, "the server is shutting down"},
		{"fails", task("unknown"), codes.Internal, "internal error"},
		{"panics", task("panics"), codes.Internal, "internal error"},
		{"not a number", task("nan"), codes.Internal, "not a finite number"},
		{"no such version", infer(&pb.ModelInferRequest{ModelName: "sst2", ModelVersion: "2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}}), codes.NotFound, `no version "2"`},
		{"no inputs", inputs(), codes.InvalidArgument, "inputs must hold the tensor text"},
		{"an empty tensor", inputs(nil), codes.InvalidArgument, "inputs[0].datatype"},
		{"too many texts", inputs(servertest.BytesInput("text", "a", "b", "c", "d", "e")), codes.InvalidArgument, "more than 4 texts"},
		{"too many bytes", inputs(servertest.BytesInput("text", strings.Repeat("x", 201))), codes.InvalidArgument, "at most 200 are allowed"},
		{"not UTF-8", inputs(servertest.BytesInput("text", "\xff")), codes.InvalidArgument, "invalid UTF-8"},
		{"not BYTES", inputs(numbers), codes.InvalidArgument, "must be BYTES"},
		{"negative shape", inputs(shaped), codes.InvalidArgument, "inputs[0].shape"},
		{"too many dimensions", inputs(deep), codes.InvalidArgument, "more than 8 dimensions"},
		{"many tensors", inputs(make([]*pb.ModelInferRequest_InferInputTensor, 17)...), codes.InvalidArgument, "more than 16 tensors"},
		{"many outputs", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, Outputs: make([]*pb.ModelInferRequest_InferRequestedOutputTensor, 17)}), codes.InvalidArgument, "more than 16 tensors"},
		{"both kinds of contents", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, RawInputContents: [][]byte{{}}}), codes.InvalidArgument, "must be empty if there is raw_input_contents"},
		{"too many raw contents", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, RawInputContents: [][]byte{{}, {}}}), codes.InvalidArgument, "raw_input_contents holds 2 tensors, inputs holds 1"},
		{"truncated raw contents", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "text", Datatype: "BYTES", Shape: []int64{1}}}, RawInputContents: [][]byte{{1, 0}}}), codes.InvalidArgument, "ends inside the length"},
		{"parameter of another type", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, Parameters: map[string]*pb.InferParameter{"truncate": servertest.IntParameter(1)}}), codes.InvalidArgument, "parameters.truncate"},
		{"too long", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "a", strings.Repeat("a ", 20))}, Parameters: map[string]*pb.InferParameter{"truncate": servertest.BoolParameter(false)}}), codes.InvalidArgument, "text[1] has more tokens"},
		{"classes of another type", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": servertest.BoolParameter(true)}}}}), codes.InvalidArgument, "classification"},
		{"no classes", infer(&pb.ModelInferRequest{ModelName: "sst2", Inputs: []*pb.ModelInferRequest_InferInputTensor{one}, Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "probabilities", Parameters: map[string]*pb.InferParameter{"classification": servertest.IntParameter(0)}}}}), codes.InvalidArgument, "classification"},
		{"a message over the limit", inputs(servertest.BytesInput("text", strings.Repeat("x", 5000))), codes.ResourceExhausted, "larger than 4096 bytes"},
		{"metadata of an unknown task", func(ctx context.Context) error {
			_, err := d.infer.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "nothing"})
			return err
		}, codes.NotFound, "nothing"},
		{"load without a key", func(ctx context.Context) error {
			_, err := d.infer.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sst2"})
			return err
		}, codes.Unauthenticated, "admin key"},
		{"load with a configuration", func(ctx context.Context) error {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer admin")
			_, err := d.infer.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sst2", Parameters: map[string]*pb.ModelRepositoryParameter{"config": {}}})
			return err
		}, codes.InvalidArgument, "parameters must be empty"},
		{"deadline exceeded", func(ctx context.Context) error {
			ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
			defer cancel()
			return task("sst2")(ctx)
		}, codes.DeadlineExceeded, "deadline"},
	} {
		err := c.call(t.Context())
		if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), c.want) {
			t.Errorf("%s: %v, want %s: %s", c.name, err, c.code, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "/var/") {
			t.Errorf("%s: the error names a file: %v", c.name, err)
		}
	}
	if len(e.Did) != 0 {
		t.Errorf("the engine did %q", e.Did)
	}
	if err := task("sst2")(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

func TestGRPCAbout(t *testing.T) {
	e := servertest.NewEngine()
	d := dial(t, newServer(t, e, Options{APIKeys: []string{"use"}, AdminKeys: []string{"admin"}, About: About{Version: "1.2.3"}}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer use")
	admin := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "admin")

	live, err := d.infer.ServerLive(t.Context(), new(pb.ServerLiveRequest))
	if err != nil || !live.Live {
		t.Errorf("live: %v, %v", live, err)
	}
	if _, err := d.infer.ServerMetadata(t.Context(), new(pb.ServerMetadataRequest)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("metadata without a key: %v", err)
	}
	server, err := d.infer.ServerMetadata(ctx, new(pb.ServerMetadataRequest))
	if err != nil || server.Name != "kenserve" || server.Version != "1.2.3" || len(server.Extensions) != 3 {
		t.Errorf("server: %v, %v", server, err)
	}
	model, err := d.infer.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "trec", Version: "1"})
	if err != nil || model.Platform != "kenserve" || len(model.Outputs) != 3 || !cmp.Equal(model.Outputs[2].Shape, []int64{-1, 6}) {
		t.Errorf("model: %v, %v", model, err)
	}
	for name, want := range map[string]bool{"trec": true, "nothing": false} {
		if got, err := d.infer.ModelReady(ctx, &pb.ModelReadyRequest{Name: name}); err != nil || got.Ready != want {
			t.Errorf("ready %s: %v, %v", name, got, err)
		}
	}
	index, err := d.infer.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{Ready: true})
	if err != nil || len(index.Models) != 1 || index.Models[0].Name != "trec" || index.Models[0].State != "READY" {
		t.Errorf("index: %v, %v", index, err)
	}
	if _, err := d.infer.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sst2"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("load with an API key: %v", err)
	}
	if _, err := d.infer.RepositoryModelLoad(admin, &pb.RepositoryModelLoadRequest{ModelName: "sst2"}); err != nil {
		t.Error(err)
	}
	if _, err := d.infer.RepositoryModelUnload(admin, &pb.RepositoryModelUnloadRequest{ModelName: "sst2"}); err != nil {
		t.Error(err)
	}
	if got := strings.Join(e.Did, ","); got != "load sst2,unload sst2" {
		t.Errorf("the engine did %q", got)
	}

	for _, c := range []struct {
		ctx  context.Context
		code codes.Code
	}{{t.Context(), codes.Unauthenticated}, {ctx, codes.OK}} {
		stream, err := grpc_reflection_v1.NewServerReflectionClient(d).ServerReflectionInfo(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
		answer, err := stream.Recv()
		if status.Code(err) != c.code {
			t.Errorf("reflection: %v, want %s", err, c.code)
		}
		if err == nil && !strings.Contains(answer.String(), "inference.GRPCInferenceService") {
			t.Errorf("reflection: %v", answer)
		}
		_ = stream.CloseSend()
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
}

func TestGRPCLog(t *testing.T) {
	var log strings.Builder
	d := dial(t, newServer(t, servertest.NewEngine(), Options{Logger: logger(&log)}))
	for _, task := range []string{"sst2", "panics", "damaged"} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "of-"+task)
		_, _ = d.infer.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: task, Inputs: []*pb.ModelInferRequest_InferInputTensor{servertest.BytesInput("text", "SECRET word")}})
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		"level=INFO msg=call id=of-sst2 method=/inference.GRPCInferenceService/ModelInfer code=OK ", "task=sst2 texts=1 tokens=4 queue=250µs inference=1.5ms",
		`level=ERROR msg="handler panicked" id=of-panics panic="a fault of /usr/lib/engine"`, "level=ERROR msg=call id=of-panics",
		"level=WARN msg=call id=of-damaged", "code=FailedPrecondition",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "SECRET") {
		t.Errorf("a text is in the log:\n%s", &log)
	}
}
