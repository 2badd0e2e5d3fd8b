package vllm

import (
	"net/http"
	"strconv"

	"kenserve/server/internal/jsonbody"
	"kenserve/server/internal/problem"
)

// vllmErrorBody is the wire type of an error.
type vllmErrorBody struct {
	Error vllmErrorDetail `json:"error"`
}

type vllmErrorDetail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    int     `json:"code" doc:"HTTP status."`
}

// encodeError is the [route.ErrorEncoder] of vLLM.
func encodeError(p *problem.Problem) (int, []byte) {
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
