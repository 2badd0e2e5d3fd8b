package tei

import (
	"errors"
	"net/http"

	"kenserve/runtime"
	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// teiErrorBody is the wire type of an error.
type teiErrorBody struct {
	Error string `json:"error"`
	Type  string `json:"error_type" enum:"Empty,Validation,Tokenizer,Backend,Overloaded,Unhealthy"`
}

// encodeError is the [route.ErrorEncoder] of Text Embeddings Inference.
func encodeError(p *problem.Problem) (int, []byte) {
	status, class := p.Status, "Validation"
	switch p.Kind {
	case problem.KindEmpty:
		status, class = http.StatusBadRequest, "Empty"
	case problem.KindTask, problem.KindInternal:
		status, class = http.StatusFailedDependency, "Backend"
	case problem.KindNoSpace:
		class = "Backend"
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
