package server

import (
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"kenserve/runtime"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/route"
)

// shapes are the errors of the compatible APIs, by the paths that are theirs.
// A path that is no route belongs to one too.
var shapes = []apiErrors{
	{"/tei/", teiError, reflect.TypeFor[teiErrorBody]()},
	{"/models/", route.PlainError, reflect.TypeFor[route.PlainErrorBody]()},
	{"/vllm/", vllmError, reflect.TypeFor[vllmErrorBody]()},
	{"/v2", inferError, reflect.TypeFor[route.PlainErrorBody]()},
}

type apiErrors struct {
	prefix string
	shape  route.ErrorEncoder
	wire   reflect.Type
}

// owns tells whether a path belongs to the API.
func (a *apiErrors) owns(path string) bool {
	rest, ok := strings.CutPrefix(path, a.prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(a.prefix, "/"))
}

func shapeOf(path string) route.ErrorEncoder {
	for i := range shapes {
		if shapes[i].owns(path) {
			return shapes[i].shape
		}
	}
	return nativeError
}

// The errors on the wire.
type (
	nativeErrorBody struct {
		Error nativeErrorDetail `json:"error"`
	}
	nativeErrorDetail struct {
		Message string       `json:"message"`
		Type    problem.Kind `json:"type"`
		Field   *string      `json:"field" doc:"The JSON path of what is wrong, or null."`
	}
	teiErrorBody struct {
		Error string `json:"error"`
		Type  string `json:"error_type" enum:"Empty,Validation,Tokenizer,Backend,Overloaded,Unhealthy"`
	}
	vllmErrorBody struct {
		Error vllmErrorDetail `json:"error"`
	}
	vllmErrorDetail struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code" doc:"The status."`
	}
)

// nativeError is {"error": {"message", "type", "field"}}.
func nativeError(p *problem.Problem) (int, []byte) {
	b := jsonbody.AppendString([]byte(`{"error":{"message":`), p.Message)
	b = jsonbody.AppendString(append(b, `,"type":`...), string(p.Kind))
	b = jsonbody.AppendStringOrNull(append(b, `,"field":`...), p.Field)
	return p.Status, append(b, "}}\n"...)
}

// inferError is a plain error of the Open Inference Protocol, which knows 400
// for whatever is wrong with a request.
func inferError(p *problem.Problem) (int, []byte) {
	status, body := route.PlainError(p)
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	return status, body
}

// teiError is Text Embeddings Inference's {"error", "error_type"}.
func teiError(p *problem.Problem) (int, []byte) {
	status, class := p.Status, "Validation"
	switch p.Kind {
	case problem.KindEmpty:
		status, class = http.StatusBadRequest, "Empty"
	case problem.KindTask, problem.KindInternal:
		status, class = http.StatusFailedDependency, "Backend"
	case problem.KindOverloaded:
		class = "Overloaded"
	case problem.KindUnavailable:
		class = "Unhealthy"
	case problem.KindValidation:
		if _, ok := errors.AsType[*runtime.InputError](p.Cause); ok {
			class = "Tokenizer"
		}
	}
	b := jsonbody.AppendString([]byte(`{"error":`), p.Message)
	b = jsonbody.AppendString(append(b, `,"error_type":`...), class)
	return status, append(b, "}\n"...)
}

// vllmError is vLLM's {"error": {"message", "type", "param", "code"}}.
func vllmError(p *problem.Problem) (int, []byte) {
	status, class := p.Status, "BadRequestError"
	switch {
	case status == http.StatusUnprocessableEntity:
		status = http.StatusBadRequest
	case status == http.StatusNotFound:
		class = "NotFoundError"
	case status == http.StatusUnauthorized:
		class = "AuthenticationError"
	case status == http.StatusForbidden:
		class = "PermissionDeniedError"
	case status == http.StatusTooManyRequests:
		class = "RateLimitError"
	case status >= http.StatusInternalServerError, status == http.StatusFailedDependency:
		class = "InternalServerError"
	}
	b := jsonbody.AppendString([]byte(`{"error":{"message":`), p.Message)
	b = jsonbody.AppendString(append(b, `,"type":`...), class)
	b = jsonbody.AppendStringOrNull(append(b, `,"param":`...), p.Field)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(status), 10)
	return status, append(b, "}}\n"...)
}
