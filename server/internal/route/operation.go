// Package route is the table of operations from which the server makes both its
// routes and its OpenAPI document, so that neither has an operation that the other
// lacks. Each API contributes an [API]; the server joins them to a [Table]. The
// package also writes answers.
package route

import (
	"reflect"

	"github.com/gin-gonic/gin"

	"kenserve/server/internal/core"
)

// Operation is a method and a path: how the server answers them, and what the
// OpenAPI document says about them.
type Operation struct {
	Method, Path string // the path in gin's notation, as in /tasks/:name
	Handle       Handler
	Raw          gin.HandlerFunc // instead of Handle
	Admin        bool            // needs the admin key
	Open         bool            // needs no key
	EncodeError  ErrorEncoder    // nil: that of the API that owns the path
	Polled       bool            // called all the time by monitors: not traced, logged at debug level

	// For the OpenAPI document.
	Hidden      bool   // not in the document, such as a page for people
	Name        string // operationId, a function's name in generated clients
	Tag         string // the group; see [Tags]
	Summary     string
	Description string

	Request      []Content // one for each media type of the body; none: no body
	BodyOptional bool      // the body may be empty
	Params       []Parameter
	PathValues   map[string]string // path parameters that can have one value only
	Status       int               // of success; 0: 200
	AlsoStatus   int               // another status of success; 0: none
	Answer       Content           // zero: no body
	BinaryAnswer bool              // the answer may be bytes instead
	ReportsCost  bool              // the answer has the headers of [WriteCost]
	MayFail      []*Failure        // beside those that all operations have
}

// Handler answers a request. If it returns an error, it has not written anything;
// the server turns the error into a problem and writes that.
type Handler func(c *gin.Context, state *core.RequestState) error

// Content is a body in one media type.
type Content struct {
	Media   string       // empty: JSON
	Wire    reflect.Type // wire type of JSON; nil: bytes or text
	Example string       // JSON
}

// JSON is a JSON body of the wire type T.
func JSON[T any](example string) Content {
	return Content{Wire: reflect.TypeFor[T](), Example: example}
}

// Parameter is a parameter in the query or in a header.
type Parameter struct {
	Name, In, Doc string
	Example       string
}

// The tags, which group the operations of the document.
const (
	TagNative      = "kenserve"
	TagTasks       = "Tasks"
	TagTEI         = "Text Embeddings Inference"
	TagHuggingFace = "Hugging Face"
	TagVLLM        = "vLLM"
	TagInference   = "Open Inference Protocol"
	TagOperation   = "Operations"
)

// Tags has all tags, in the order of the document.
var Tags = []string{TagNative, TagTasks, TagTEI, TagHuggingFace, TagVLLM, TagInference, TagOperation}
