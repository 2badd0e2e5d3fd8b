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

// encodeError is a plain error of the Open Inference Protocol, which knows 400
// for whatever is wrong with a request.
func encodeError(p *problem.Problem) (int, []byte) {
	status, body := route.PlainError(p)
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	return status, body
}

// GRPCError is a problem as gRPC's clients see it.
func GRPCError(ctx context.Context, p *problem.Problem) error {
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
