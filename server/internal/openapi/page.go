package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("docs").Parse(pageHTML))

// PagePolicy is the Content-Security-Policy of the page: its own style and nothing
// else.
var PagePolicy = func() []string {
	sum := sha256.Sum256([]byte(pageCSS))
	return []string{"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}
}()

// The input of the template page.html.
type (
	docs struct {
		Title, Version string
		Description    []string
		Style          template.CSS
		Groups         []docsGroup
		Schemas        []docsSchema
	}
	docsGroup struct {
		ID, Name   string
		Operations []docsOperation
	}
	docsOperation struct {
		ID, Method, Path, Summary, Description string
		Admin                                  bool
		Parameters                             []docsParameter
		Requests, Answers                      []docsBody
	}
	docsParameter struct{ Name, In, Doc string }
	docsBody      struct{ Status, Doc, Media, Example, Schema string }
	docsSchema    struct{ Name, Text string }
)

// Page renders the document as HTML. The page needs no script and no other host.
func (s *Source) Page() ([]byte, error) {
	d := s.Document()
	page := docs{
		Title: d.Info.Title, Version: d.Info.Version, Style: template.CSS(pageCSS),
		Description: strings.Split(d.Info.Description, "\n\n"),
	}
	groups := map[string]*docsGroup{}
	for _, tag := range d.Tags {
		page.Groups = append(page.Groups, docsGroup{ID: "api-" + strings.ReplaceAll(strings.ToLower(tag.Name), " ", "-"), Name: tag.Name})
	}
	for i := range page.Groups {
		groups[page.Groups[i].Name] = &page.Groups[i]
	}
	for _, op := range s.Table.Operations() {
		if op.Hidden {
			continue
		}
		item := d.Paths[pathParameter.ReplaceAllString(op.Path, "{$1}")]
		o := map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		}[op.Method]
		group := groups[op.Tag]
		group.Operations = append(group.Operations, docsOperationOf(o, op.Admin))
	}
	schemas := d.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		page.Schemas = append(page.Schemas, docsSchema{name, indentedJSON(schemas[name])})
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("openapi: page: %w", err)
	}
	return b.Bytes(), nil
}

func docsOperationOf(o *huma.Operation, admin bool) docsOperation {
	out := docsOperation{ID: o.OperationID, Method: o.Method, Path: o.Path, Summary: o.Summary, Description: o.Description, Admin: admin}
	for _, p := range o.Parameters {
		out.Parameters = append(out.Parameters, docsParameter{p.Name, p.In, p.Description})
	}
	if o.RequestBody != nil {
		for _, media := range slices.Sorted(maps.Keys(o.RequestBody.Content)) {
			out.Requests = append(out.Requests, docsBodyOf(media, o.RequestBody.Content[media]))
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		response := o.Responses[status]
		answer := docsBody{}
		if content := response.Content["application/json"]; content != nil {
			answer = docsBodyOf("", content)
		}
		answer.Status, answer.Doc = status, response.Description
		out.Answers = append(out.Answers, answer)
	}
	return out
}

func docsBodyOf(media string, content *huma.MediaType) docsBody {
	b := docsBody{Media: media, Schema: indentedJSON(content.Schema)}
	if content.Example != nil {
		b.Example = indentedJSON(content.Example)
	}
	return b
}

// indentedJSON formats v for people. Its caller knows that v can be marshalled.
func indentedJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}
