package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
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

// description of the whole in the OpenAPI document.
const description = `One pre-trained base in memory, every classifier a sparse delta of it.

The native API, and those of Text Embeddings Inference, Hugging Face, vLLM and the Open Inference Protocol, so that clients that exist keep working. Bodies are JSON whatever their Content-Type says, may be packed by gzip or deflate, and are bounded as sent and as unpacked.`

// humaMode makes slices never null unless a field says so, as encoding is here.
// The mode is the process's.
var humaMode = sync.OnceFunc(func() { huma.DefaultArrayNullable = false })

// Source is what a document is made of.
type Source struct {
	Table    route.Table
	Limits   core.Limits
	About    core.About
	NeedsKey bool // whatever is not open needs a key
}

// Document generates the OpenAPI 3.1 document of a server: its operations, the
// wire types that they use, and its bounds.
func (s *Source) Document() *huma.OpenAPI {
	humaMode()
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	d := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "kenserve", Version: orUnknown(s.About.Version), Description: description,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "A key for use, or the admin key."},
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

// schemaName is a wire type's name in the document.
func schemaName(t reflect.Type, hint string) string {
	return huma.DefaultSchemaNamer(t, hint)
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

var pathParameter = regexp.MustCompile(`:([a-z]+)`)

// describeOperation makes an operation's part of the document.
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

	ok := &huma.Response{Description: "Done.", Headers: map[string]*huma.Param{"X-Request-Id": header("The request's id: its own if it sent one.", huma.TypeString)}}
	if op.ReportsCost {
		ok.Headers["X-Queue-Time-Ms"] = header("How long it waited.", huma.TypeNumber)
		ok.Headers["X-Inference-Time-Ms"] = header("How long it was computed.", huma.TypeNumber)
		ok.Headers["X-Tokens"] = header("Tokens computed, special ones included.", huma.TypeInteger)
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

func pathParameterOf(op *route.Operation, name string, r huma.Registry) *huma.Param {
	p := &huma.Param{Name: name, In: "path", Required: true}
	if value, ok := op.PathValues[name]; ok {
		p.Schema = &huma.Schema{Type: huma.TypeString, Enum: []any{value}}
	} else {
		p.Schema, p.Example = wire.Task("").Schema(r), "trec"
		p.Description = "A task's name."
	}
	return p
}

func header(doc, kind string) *huma.Param {
	return &huma.Param{Description: doc, Schema: &huma.Schema{Type: kind}}
}

// addContent adds a body to those of a request or an answer.
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

// addFailures adds the errors that an operation may answer with. The statuses
// are those that the API makes of them.
func (s *Source) addFailures(o *huma.Operation, op *route.Operation, r huma.Registry) {
	list := append([]*route.Failure{route.InternalFault}, op.MayFail...)
	if !op.Open && (op.Admin || s.NeedsKey) {
		list = append(list, route.Unauthorized)
	}
	if op.Admin {
		list = append(list, route.Forbidden)
	}
	docs := map[int][]string{}
	for _, f := range list {
		p := f.Problem
		status, _ := s.Table.Of(op.Path).EncodeError(&p)
		if !slices.Contains(docs[status], f.Doc) {
			docs[status] = append(docs[status], f.Doc)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(docs)) {
		text := strings.Join(docs[status], "; ")
		answer := &huma.Response{
			Description: strings.ToUpper(text[:1]) + text[1:] + ".",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: r.Schema(s.Table.Of(op.Path).ErrorBody, true, "")}},
		}
		switch status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			answer.Headers = map[string]*huma.Param{"Retry-After": header("Seconds until it is worth while to come again.", huma.TypeString)}
		case http.StatusUnauthorized:
			answer.Headers = map[string]*huma.Param{"WWW-Authenticate": header("Bearer.", huma.TypeString)}
		}
		if o.Responses[strconv.Itoa(status)] == nil {
			o.Responses[strconv.Itoa(status)] = answer
		}
	}
}
