// Package openapi makes the OpenAPI 3.1 document of the server from its table of
// operations, and an HTML page from the document.
package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"kenserve/server/internal/core"
	"kenserve/server/internal/route"
	"kenserve/server/internal/wire"
)

// description describes the server in the document.
const description = `One pre-trained base stays in memory; every classifier is a sparse delta of it.

The server has a native API, and those of Text Embeddings Inference, Hugging Face, vLLM and the Open Inference Protocol, so that existing clients work. Bodies are JSON, whatever their Content-Type says. They may have the Content-Encoding gzip or deflate. Limits apply to bodies as sent and as decoded.`

// humaMode makes arrays not nullable unless a field says so, since answers have no
// null arrays. The setting is global.
var humaMode = sync.OnceFunc(func() { huma.DefaultArrayNullable = false })

// Source is the input of a document.
type Source struct {
	Table    route.Table
	Limits   core.Limits
	About    core.About
	NeedsKey bool // all operations that are not open need a key
}

// Document generates the document: the operations, the wire types that they use, and
// the server's limits.
func (s *Source) Document() *huma.OpenAPI {
	humaMode()
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "kenserve", Version: orUnknown(s.About.Version), Description: description,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "An API key, or the admin key."},
				"header": {Type: "apiKey", In: "header", Name: "x-api-key", Description: "The same key."},
			},
		},
	}
	for _, api := range route.Tags {
		d.Tags = append(d.Tags, &huma.Tag{Name: api})
	}
	for _, op := range s.Table.Operations() {
		if !op.Hidden {
			d.AddOperation(s.describeOperation(&op, registry))
		}
	}
	for _, schema := range registry.Map() {
		wire.ApplyLimits(schema, s.Limits, s.About.LargestID())
	}
	return d
}

// orUnknown replaces an empty version.
func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// pathParameter matches a parameter in a path of gin.
var pathParameter = regexp.MustCompile(`:([a-z]+)`)

// describeOperation describes an operation.
func (s *Source) describeOperation(op *route.Operation, r huma.Registry) *huma.Operation {
	o := &huma.Operation{
		Method: op.Method, Path: pathParameter.ReplaceAllString(op.Path, "{$1}"), OperationID: op.Name,
		Tags: []string{op.Tag}, Summary: op.Summary, Description: op.Description,
		Responses: map[string]*huma.Response{},
	}
	for _, match := range pathParameter.FindAllStringSubmatch(op.Path, -1) {
		o.Parameters = append(o.Parameters, pathParameterOf(op, match[1], r))
	}
	for _, p := range op.Params {
		param := &huma.Param{Name: p.Name, In: p.In, Description: p.Doc, Schema: &huma.Schema{Type: huma.TypeString}}
		if p.Example != "" {
			param.Example = p.Example
		}
		o.Parameters = append(o.Parameters, param)
	}
	if op.Request != nil {
		o.RequestBody = &huma.RequestBody{Required: !op.BodyOptional, Content: map[string]*huma.MediaType{}}
		for _, c := range op.Request {
			s.addContent(o.RequestBody.Content, c, r)
		}
	}

	ok := &huma.Response{Description: "Success.", Headers: map[string]*huma.Param{"X-Request-Id": header("The id of the request. It is the request's own x-request-id if it has a valid one.", huma.TypeString)}}
	if op.ReportsCost {
		ok.Headers["X-Queue-Time-Ms"] = header("Time in the queue in milliseconds.", huma.TypeNumber)
		ok.Headers["X-Inference-Time-Ms"] = header("Time of computation in milliseconds.", huma.TypeNumber)
		ok.Headers["X-Tokens"] = header("Number of tokens computed, special tokens included.", huma.TypeInteger)
		ok.Headers["X-Kenserve-Delta"] = header("sha256: and the SHA-256 of the delta that made the answer, in the fast layout; for several tasks a list of them, in the order of the request.", huma.TypeString)
	}
	if op.Answer != (route.Content{}) {
		ok.Content = map[string]*huma.MediaType{}
		s.addContent(ok.Content, op.Answer, r)
	}
	if op.BinaryAnswer {
		s.addContent(ok.Content, route.Content{Media: "application/octet-stream"}, r)
	}
	for _, status := range []int{op.Status, op.AlsoStatus} {
		if status == 0 && status == op.Status {
			status = http.StatusOK
		}
		if status != 0 {
			o.Responses[strconv.Itoa(status)] = ok
		}
	}
	s.addFailures(o, op, r)

	switch {
	case op.Open:
		o.Security = []map[string][]string{}
	case op.Admin || s.NeedsKey:
		o.Security = []map[string][]string{{"bearer": {}}, {"header": {}}}
	}
	return o
}

// pathParameterOf describes a parameter in the path of an operation.
func pathParameterOf(op *route.Operation, name string, r huma.Registry) *huma.Param {
	p := &huma.Param{Name: name, In: "path", Required: true}
	if value, ok := op.PathValues[name]; ok {
		p.Schema = &huma.Schema{Type: huma.TypeString, Enum: []any{value}}
	} else {
		p.Schema, p.Example = wire.Task("").Schema(r), "trec"
		p.Description = "The name of a task."
	}
	return p
}

// header describes a header.
func header(doc, kind string) *huma.Param {
	return &huma.Param{Description: doc, Schema: &huma.Schema{Type: kind}}
}

// addContent adds a body to those of a request or of an answer.
func (s *Source) addContent(to map[string]*huma.MediaType, c route.Content, r huma.Registry) {
	switch {
	case c.Media == "application/octet-stream":
		to[c.Media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	case c.Media != "":
		to[c.Media] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	default:
		m := &huma.MediaType{Schema: r.Schema(c.Wire, true, "")}
		wire.ApplyLimits(m.Schema, s.Limits, s.About.LargestID())
		if c.Example != "" {
			m.Example = json.RawMessage(c.Example)
		}
		to["application/json"] = m
	}
}

// addFailures adds the errors with which an operation may answer, with the statuses
// of its API.
func (s *Source) addFailures(o *huma.Operation, op *route.Operation, r huma.Registry) {
	list := append([]*route.Failure{route.InternalFault, route.Foreign}, op.MayFail...)
	if !op.Open && (op.Admin || s.NeedsKey) {
		list = append(list, route.Unauthorized)
	}
	if op.Admin {
		list = append(list, route.Forbidden)
	}
	docs := map[int][]string{}
	for _, f := range list {
		p := f.Problem
		status, _ := s.Table.Owner(op.Path).EncodeError(&p)
		if !slices.Contains(docs[status], f.Doc) {
			docs[status] = append(docs[status], f.Doc)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(docs)) {
		text := strings.Join(docs[status], "; ")
		answer := &huma.Response{
			Description: strings.ToUpper(text[:1]) + text[1:] + ".",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: r.Schema(s.Table.Owner(op.Path).ErrorBody, true, "")}},
		}
		switch status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			answer.Headers = map[string]*huma.Param{"Retry-After": header("Seconds after which a client may retry.", huma.TypeString)}
		case http.StatusUnauthorized:
			answer.Headers = map[string]*huma.Param{"WWW-Authenticate": header("Bearer", huma.TypeString)}
		}
		if o.Responses[strconv.Itoa(status)] == nil {
			o.Responses[strconv.Itoa(status)] = answer
		}
	}
}
