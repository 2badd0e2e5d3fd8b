package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"kenserve/internal/memory"
	"kenserve/server/internal/callbody"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// grpcFront stands before gRPC's server. gRPC keeps the bytes of a message, and waits
// for the rest, without a limit in time or in memory for all calls together, and it
// looks at a call's metadata only afterwards. So the front checks the key, reads the
// message within the limits of time and memory, and only then passes the call on.
type grpcFront struct {
	s    *Server
	next *grpc.Server
	// methods has the message of each unary method, nil for streams.
	methods map[string]protoreflect.MessageDescriptor
	// probes has the unary calls without a key under way that have memory of their own,
	// so that they are answered while requests hold all other.
	probes chan struct{}
}

const (
	// probeBytes is the largest message of a unary call without a key.
	probeBytes = 4 << 10
	// probeMemory is what such a call has of its own: more than reading its message takes.
	probeMemory = 64 << 10
	// maxProbes bounds the calls that have it.
	maxProbes = 16
)

// newGRPCFront returns a front for the services that are registered.
func newGRPCFront(s *Server, next *grpc.Server) (*grpcFront, error) {
	f := &grpcFront{s: s, next: next, methods: map[string]protoreflect.MessageDescriptor{}, probes: make(chan struct{}, maxProbes)}
	for service, info := range next.GetServiceInfo() {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			return nil, fmt.Errorf("server: gRPC service %s: %w", service, err)
		}
		methods := found.(protoreflect.ServiceDescriptor).Methods()
		for _, m := range info.Methods {
			path := "/" + service + "/" + m.Name
			if f.methods[path] = nil; !m.IsClientStream && !m.IsServerStream {
				f.methods[path] = methods.ByName(protoreflect.Name(m.Name)).Input()
			}
		}
	}
	return f, nil
}

// ServeHTTP implements [http.Handler].
func (f *grpcFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	s := f.s
	method := r.URL.Path
	input, known := f.methods[method]
	open := isOpenCall(method) && input != nil
	account := s.memory
	if open {
		select {
		case f.probes <- struct{}{}:
			defer func() { <-f.probes }()
			account = memory.New(probeMemory)
		default:
		}
	}
	loan := account.Open()
	defer loan.Close()
	r = r.WithContext(memory.WithLoan(r.Context(), loan))
	control := http.NewResponseController(w)
	refused := s.authorizeCall(r, method)
	switch {
	case refused != nil:
	case !known: // gRPC answers that there is no such method
		r.Body = http.NoBody
	case open:
		refused = f.receive(r, control, input, probeBytes)
	default:
		if refused = s.refuseBusy(r); refused != nil {
			break
		}
		if input != nil {
			refused = f.receive(r, control, input, s.options.MaxBodyBytes)
			break
		}
		// A stream lasts as long as its client likes, if the client reads and writes.
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		r.Body = &streamBody{ReadCloser: r.Body, loan: loan, control: control, left: s.options.MaxBodyBytes, pause: s.options.IdleTimeout}
	}
	if refused != nil {
		f.refuse(w, r, method, known, refused)
		return
	}
	f.next.ServeHTTP(&callWriter{ResponseWriter: w, control: control, timeout: s.options.WriteTimeout}, r)
}

// receive reads the message of a unary call, of at most limit bytes, and puts it in place of the body. A read
// timeout is set already, by the HTTP server.
func (f *grpcFront) receive(r *http.Request, control *http.ResponseController, input protoreflect.MessageDescriptor, limit int) *problem.Problem {
	_ = control.SetReadDeadline(time.Now().Add(f.s.options.ReadTimeout))
	message, err := callbody.Read(r, input, limit)
	if err != nil {
		return core.ProblemOf(r.Context(), err)
	}
	_ = control.SetReadDeadline(time.Time{})
	r.Header.Del("Grpc-Encoding") // it is not compressed any more
	r.Body = io.NopCloser(bytes.NewReader(message))
	return nil
}

// refuse answers a call that gRPC's server does not see.
func (f *grpcFront) refuse(w http.ResponseWriter, r *http.Request, method string, known bool, p *problem.Problem) {
	if !known {
		method = "/_none" // made-up names must not fill the metrics
	}
	state := &core.RequestState{ID: requestID(r.Header), Started: f.s.core.Now()}
	received := metadata.MD{}
	for name, values := range r.Header {
		received[strings.ToLower(name)] = values
	}
	ctx, span := f.s.startCallSpan(metadata.NewIncomingContext(r.Context(), received), method)
	if span.IsRecording() {
		state.TraceID = span.SpanContext().TraceID().String()
	}
	st := status.Convert(f.s.endCall(ctx, state, method, p))
	endSpan(span, state, grpcStatus(st.Code()))
	out := w.Header()
	out.Set("Content-Type", "application/grpc")
	out.Set("X-Request-Id", state.ID)
	out.Set("Grpc-Status", strconv.Itoa(int(st.Code())))
	out.Set("Grpc-Message", percentEncode(st.Message()))
	w.WriteHeader(http.StatusOK)
}

// percentEncode encodes a message as gRPC does: printable ASCII but % stays.
func percentEncode(message string) string {
	var b strings.Builder
	for i := range len(message) {
		if c := message[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// streamBody is the body of a call with a stream of messages. gRPC reads ahead without
// a bound, with a buffer for each read, so all that a stream sends counts until it ends.
type streamBody struct {
	io.ReadCloser
	loan    *memory.Loan
	control *http.ResponseController
	left    int           // bytes that it may still send
	pause   time.Duration // longest time without a byte
}

// streamBufferBytes is the buffer that gRPC takes for each read.
const streamBufferBytes = 16 << 10

func (b *streamBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.pause))
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if n > 0 {
		if b.left -= n; b.left < 0 {
			return 0, fmt.Errorf("the stream sends too many bytes")
		}
		if full := b.loan.Take(memory.Bodies, int64(n)); full != nil {
			return 0, full
		}
		if full := b.loan.Take(memory.Copies, streamBufferBytes); full != nil {
			return 0, full
		}
	}
	return n, err
}

// callWriter gives each part of an answer the write timeout.
type callWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (w *callWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.ResponseWriter.Write(p)
}

// Flush implements [http.Flusher].
func (w *callWriter) Flush() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.timeout))
	_ = w.control.Flush()
}

// endWith returns a context that also ends, with the cause that the server shuts down,
// when stop does.
func endWith(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	remove := context.AfterFunc(stop, func() { cancel(core.ErrShutdown) })
	return ctx, func() { remove(); cancel(nil) }
}
