package route

import (
	"net/http"
	"slices"

	"kenserve/server/internal/problem"
)

// Failure is a problem that an operation may answer with, for the OpenAPI
// document. The API decides the status and the body.
type Failure struct {
	Problem problem.Problem
	Doc     string // a clause, for a list of them
}

// The failures.
var (
	malformedBody   = &Failure{problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindMalformed}, "the body is not valid JSON, or does not match its Content-Encoding"}
	EmptyText       = &Failure{problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindEmpty}, "a text or the batch is empty"}
	slowBody        = &Failure{problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout}, "the body arrived too slowly"}
	largeBody       = &Failure{problem.Problem{Status: http.StatusRequestEntityTooLarge, Kind: problem.KindTooLarge}, "the body exceeds the limit, as sent or as decoded"}
	unknownEncoding = &Failure{problem.Problem{Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding}, "the Content-Encoding is neither gzip nor deflate"}
	InvalidValue    = &Failure{problem.Problem{Status: http.StatusUnprocessableEntity, Kind: problem.KindValidation}, "a value is not allowed"}
	NoSuchTask      = &Failure{problem.Problem{Status: http.StatusNotFound, Kind: problem.KindNotFound}, "there is no such task"}
	TaskUnusable    = &Failure{problem.Problem{Status: http.StatusFailedDependency, Kind: problem.KindTask}, "the task's delta cannot be loaded, or not be computed with"}
	Overloaded      = &Failure{problem.Problem{Status: http.StatusTooManyRequests, Kind: problem.KindOverloaded}, "too much work is waiting"}
	InternalFault   = &Failure{problem.Problem{Status: http.StatusInternalServerError, Kind: problem.KindInternal}, "a fault of the server; its log has the details under the request's id"}
	Unavailable     = &Failure{problem.Problem{Status: http.StatusServiceUnavailable, Kind: problem.KindUnavailable}, "the server is not ready or shuts down, the store cannot be reached, or the request timed out"}
	Unauthorized    = &Failure{problem.Problem{Status: http.StatusUnauthorized, Kind: problem.KindUnauthorized}, "the key is missing or wrong"}
	Conflict        = &Failure{problem.Problem{Status: http.StatusConflict, Kind: problem.KindConflict}, "the task has a job that has not ended"}
	NoSpace         = &Failure{problem.Problem{Status: http.StatusInsufficientStorage, Kind: problem.KindNoSpace}, "the disk of the server is full, or its memory is too small for the job"}
	Foreign         = &Failure{problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden}, "the request is addressed to a host that is not allowed, or a page of another origin sends it"}
	Forbidden       = &Failure{problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden}, "the operation needs the admin key, or the store is read-only"}
)

// The failures of operations that read a JSON body, classify, or change tasks.
var (
	FailuresReading     = []*Failure{malformedBody, slowBody, largeBody, unknownEncoding, InvalidValue, Overloaded}
	FailuresClassifying = slices.Concat(FailuresReading, []*Failure{NoSuchTask, TaskUnusable, Unavailable, NoSpace})
	FailuresChanging    = slices.Concat(FailuresReading, []*Failure{NoSuchTask, Unavailable, NoSpace})
)
