package route

import (
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
)

// Operation is a route: what answers it, and what the OpenAPI document says of
// it. One table of them lays out the routes and makes the document, so that
// neither has what the other lacks.
type Operation struct {
	Method, Path string // the path as gin writes it
	Name         string // unique, for generated clients
	Tag          string // whose words it speaks
	Summary      string
	Description  string
	Handle       Handler
	Raw          gin.HandlerFunc // instead of Handle
	Admin        bool            // needs the admin key
	Open         bool            // needs no key
	Polled       bool            // asked for again and again: not traced, and logged as debug
	Hidden       bool            // a page, not in the document

	Request      []Content // what the body may be
	BodyOptional bool      // the body may be missing
	Params       []Parameter
	Status       int     // of success; 0: 200
	AlsoStatus   int     // another one
	Answer       Content // empty: no body
	BinaryAnswer bool    // the answer may be octets instead
	ReportsCost  bool    // the answer says what it cost
	MayFail      []*Failure
}

// Handler answers a request, or returns why it does not.
type Handler func(c *gin.Context, state *core.RequestState) error

// Content is a body in one media type.
type Content struct {
	Media   string       // empty: JSON
	Wire    reflect.Type // nil: octets or text
	Example string       // JSON
}

// JSON is a body of the wire type T.
func JSON[T any](example string) Content {
	return Content{Wire: reflect.TypeFor[T](), Example: example}
}

// Parameter is one that is not in the path.
type Parameter struct {
	Name, In, Doc string
	Example       string
}

// Failure is a problem that operations may have. Which status and body it is
// depends on the API.
type Failure struct {
	Problem problem.Problem
	Doc     string
}

// The failures that there are.
var (
	MalformedBody   = &Failure{problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindMalformed}, "not JSON, or not what the Content-Encoding says"}
	EmptyText       = &Failure{problem.Problem{Status: http.StatusBadRequest, Kind: problem.KindEmpty}, "an empty text or batch"}
	SlowBody        = &Failure{problem.Problem{Status: http.StatusRequestTimeout, Kind: problem.KindTimeout}, "the body came too slowly"}
	LargeBody       = &Failure{problem.Problem{Status: http.StatusRequestEntityTooLarge, Kind: problem.KindTooLarge}, "the body is over the limit, as sent or unpacked"}
	UnknownEncoding = &Failure{problem.Problem{Status: http.StatusUnsupportedMediaType, Kind: problem.KindEncoding}, "a Content-Encoding other than gzip and deflate"}
	InvalidValue    = &Failure{problem.Problem{Status: http.StatusUnprocessableEntity, Kind: problem.KindValidation}, "asks for something impossible"}
	NoSuchTask      = &Failure{problem.Problem{Status: http.StatusNotFound, Kind: problem.KindNotFound}, "no such task"}
	TaskUnusable    = &Failure{problem.Problem{Status: http.StatusFailedDependency, Kind: problem.KindTask}, "the task's delta cannot be loaded"}
	Overloaded      = &Failure{problem.Problem{Status: http.StatusTooManyRequests, Kind: problem.KindOverloaded}, "too much is waiting"}
	InternalFault   = &Failure{problem.Problem{Status: http.StatusInternalServerError, Kind: problem.KindInternal}, "a fault of the server; the log has it under the request's id"}
	Unavailable     = &Failure{problem.Problem{Status: http.StatusServiceUnavailable, Kind: problem.KindUnavailable}, "not ready, shutting down, or no answer in time"}
	Unauthorized    = &Failure{problem.Problem{Status: http.StatusUnauthorized, Kind: problem.KindUnauthorized}, "no key, or a wrong one"}
	Forbidden       = &Failure{problem.Problem{Status: http.StatusForbidden, Kind: problem.KindForbidden}, "needs the admin key, or the store is read-only"}
)

// What operations of a kind have in common.
var (
	FailuresReading     = []*Failure{MalformedBody, SlowBody, LargeBody, UnknownEncoding, InvalidValue, Overloaded}
	FailuresClassifying = append(FailuresReading[:len(FailuresReading):len(FailuresReading)], NoSuchTask, TaskUnusable, Unavailable)
	FailuresChanging    = append(FailuresReading[:len(FailuresReading):len(FailuresReading)], NoSuchTask, Unavailable)
)

// The APIs, as the document names them.
const (
	TagNative      = "kenserve"
	TagTasks       = "Tasks"
	TagTEI         = "Text Embeddings Inference"
	TagHuggingFace = "Hugging Face"
	TagVLLM        = "vLLM"
	TagInference   = "Open Inference Protocol"
	TagOperation   = "Operations"
)

// Tags are all of them, in the document's order.
var Tags = []string{TagNative, TagTasks, TagTEI, TagHuggingFace, TagVLLM, TagInference, TagOperation}
