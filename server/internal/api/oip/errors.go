package oip

import (
	"context"
	"errors"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// encodeError is the [route.ErrorEncoder] of the protocol. It has status 400 for
// every request that is invalid.
func encodeError(p *problem.Problem) (int, []byte) {
	status, body := route.PlainError(p)
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	return status, body
}

// GRPCError is the gRPC status of a problem. ctx is the context of the call.
func GRPCError(ctx context.Context, p *problem.Problem) error {
	code := codes.Internal
	switch p.Kind {
	case problem.KindMalformed, problem.KindValidation, problem.KindEncoding:
		code = codes.InvalidArgument
	case problem.KindNotFound:
		code = codes.NotFound
	case problem.KindTask:
		code = codes.FailedPrecondition
	case problem.KindOverloaded, problem.KindTooLarge, problem.KindNoSpace:
		code = codes.ResourceExhausted
	case problem.KindUnauthorized:
		code = codes.Unauthenticated
	case problem.KindForbidden:
		code = codes.PermissionDenied
	case problem.KindUnavailable:
		code = codes.Unavailable
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // of the client
			code = codes.DeadlineExceeded
		}
	case problem.KindTimeout:
		code = codes.DeadlineExceeded
	case problem.KindClient:
		code = codes.Canceled
	}
	return status.Error(code, p.Message)
}
