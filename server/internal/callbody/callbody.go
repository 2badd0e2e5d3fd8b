// Package callbody reads the messages of gRPC calls within limits, before gRPC's own
// code does. That code takes memory for all bytes that a client sends; here a byte is
// charged to the call's loan before it is kept, and a message before it is decoded.
//
// A message is a flag (1: compressed), its length in four bytes, and its bytes
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
package callbody

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"google.golang.org/protobuf/reflect/protoreflect"

	"kenserve/internal/memory"
	"kenserve/server/internal/problem"
)

const (
	prefixBytes = 5
	// copies is how often the bytes of a message are in memory at most, beside the
	// buffer that Read fills and what decoding makes of them: gRPC's buffers, which
	// begin with one of 16 KiB, and the one that it joins them in.
	copies      = 2
	bufferBytes = 16 << 10
	// decoderBytes is what a decoder of gzip takes.
	decoderBytes = 48 << 10
)

// Read reads the only message of a call, of at most limit bytes as sent and as decoded,
// and returns it with its prefix, not compressed. It charges the loan of the request's
// context: the bytes as they arrive, and what the decoded message will take as input
// says. The error is a *[problem.Problem].
func Read(r *http.Request, input protoreflect.MessageDescriptor, limit int) ([]byte, error) {
	loan := memory.LoanOf(r.Context())
	var prefix [prefixBytes]byte
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		return nil, transferProblem(r, err)
	}
	length := binary.BigEndian.Uint32(prefix[1:])
	if uint64(length) > uint64(limit) {
		return nil, tooLarge(limit)
	}
	message, err := collect(loan, r.Body, int(length), limit)
	switch {
	case err == nil && len(message) < prefixBytes+int(length):
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil:
		return nil, transferProblem(r, err)
	}
	switch prefix[0] {
	case 0:
	case 1:
		if message, err = decompress(loan, r.Header.Get("Grpc-Encoding"), message[prefixBytes:], limit); err != nil {
			return nil, err
		}
	default:
		return nil, problem.Malformed("the message begins with the flag %d, must be 0 or 1", prefix[0])
	}
	payload := message[prefixBytes:]
	if err := loan.Take(memory.Copies, bufferBytes+copies*int64(len(payload))+decodedBytes(payload, input)); err != nil {
		return nil, problem.Memory(err)
	}
	message[0] = 0
	binary.BigEndian.PutUint32(message[1:], uint32(len(payload)))
	return message, nil
}

// errTooLarge means that a message is larger than its limit.
var errTooLarge = errors.New("message too large")

// collect reads up to length bytes behind room for a prefix; with length -1 it reads
// all, and more than limit bytes are an errTooLarge. The buffer grows with the bytes
// that have arrived.
func collect(loan *memory.Loan, r io.Reader, length, limit int) ([]byte, error) {
	most := limit + 1
	if length >= 0 {
		most = length
	}
	buffer := make([]byte, prefixBytes, prefixBytes+min(most, 4<<10))
	for len(buffer)-prefixBytes < most {
		if len(buffer) == cap(buffer) {
			grown := make([]byte, len(buffer), min(2*cap(buffer), prefixBytes+most))
			copy(grown, buffer)
			buffer = grown
		}
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		// The buffer is at most twice what has arrived.
		if err := loan.Take(memory.Bodies, int64(n)); err != nil {
			return nil, err
		}
		if err := loan.Take(memory.Copies, int64(n)); err != nil {
			return nil, err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if length < 0 && len(buffer)-prefixBytes > limit {
		return nil, errTooLarge
	}
	return buffer, nil
}

// decompress returns a message behind room for its prefix.
func decompress(loan *memory.Loan, encoding string, message []byte, limit int) ([]byte, error) {
	if encoding != "gzip" {
		return nil, &problem.Problem{Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding, Message: "the message is compressed as " + problem.Quote(encoding) + ", must be gzip or not compressed"}
	}
	if err := loan.Take(memory.Copies, decoderBytes); err != nil {
		return nil, problem.Memory(err)
	}
	defer loan.Give(memory.Copies, decoderBytes)
	var decoded []byte
	z, err := gzip.NewReader(bytes.NewReader(message))
	if err == nil {
		decoded, err = collect(loan, z, -1, limit)
	}
	switch _, full := errors.AsType[*memory.FullError](err); {
	case full:
		return nil, problem.Memory(err)
	case errors.Is(err, errTooLarge):
		return nil, tooLarge(limit)
	case err != nil:
		p := problem.Malformed("the message is not valid gzip")
		p.Cause = err
		return nil, p
	}
	return decoded, nil
}

// tooLarge is the problem of a message of more than limit bytes.
func tooLarge(limit int) error {
	return &problem.Problem{Status: http.StatusRequestEntityTooLarge, Kind: problem.KindTooLarge, Message: fmt.Sprintf("the message is larger than %d bytes", limit)}
}

// transferProblem is the problem of a message whose transfer failed.
func transferProblem(r *http.Request, err error) error {
	full, isFull := errors.AsType[*memory.FullError](err)
	switch {
	case isFull:
		return problem.Memory(full)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout, Message: "the message arrived too slowly", Cause: err}
	case r.Context().Err() != nil:
		return &problem.Problem{Status: problem.StatusClientClosed, Kind: problem.KindClient, Message: "the client closed the call", Cause: err}
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return problem.Malformed("the call ended before its message")
	}
	p := problem.Malformed("the message could not be read")
	p.Cause = err
	return p
}
