package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"kenserve/server/internal/route"
	"kenserve/server/internal/servertest"
)

// openAPIFile is the document of a server with the default limits.
const openAPIFile = "../docs/openapi.json"

// document is the OpenAPI document of a server, as a client gets it.
type document struct {
	compiler *jsonschema.Compiler
	value    map[string]any
}

func documentOf(t testing.TB, s *Server) *document {
	t.Helper()
	w := do(s, http.MethodGet, "/openapi.json", "")
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	value, err := jsonschema.UnmarshalJSON(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{jsonschema.NewCompiler(), value.(map[string]any)}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("openapi.json", value); err != nil {
		t.Fatal(err)
	}
	return d
}

// schema compiles a part of the document. It is nil if there is no such part.
func (d *document) schema(t testing.TB, path ...string) *jsonschema.Schema {
	t.Helper()
	pointer := "openapi.json#"
	var part any = d.value
	for _, name := range path {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		object, _ := part.(map[string]any)
		if part = object[name]; part == nil {
			return nil
		}
	}
	schema, err := d.compiler.Compile(pointer)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func (d *document) request(t testing.TB, op *route.Operation) *jsonschema.Schema {
	return d.schema(t, "paths", templateOf(op), strings.ToLower(op.Method), "requestBody", "content", "application/json", "schema")
}

func (d *document) answer(t testing.TB, op *route.Operation, status int) *jsonschema.Schema {
	return d.schema(t, "paths", templateOf(op), strings.ToLower(op.Method), "responses", strconv.Itoa(status), "content", "application/json", "schema")
}

var pathParameter = regexp.MustCompile(`:([a-z]+)`)

func templateOf(op *route.Operation) string { return pathParameter.ReplaceAllString(op.Path, "{$1}") }

func parseJSON(t interface{ Fatalf(string, ...any) }, text string) any {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestOpenAPI(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	var got bytes.Buffer
	if err := json.Indent(&got, do(s, http.MethodGet, "/openapi.json", "").Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(openAPIFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs from the server's document; rewrite it with -update: %s", openAPIFile, diff)
	}
	if strings.Contains(got.String(), "x-limit") {
		t.Error("the document names a limit without its value")
	}
}

// Every route is in the table from which the document is made.
func TestEveryRouteIsAnOperation(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	known := map[string]bool{}
	names := map[string]bool{}
	for _, op := range s.table.Operations() {
		known[op.Method+" "+op.Path] = true
		if op.Method == http.MethodGet {
			known["HEAD "+op.Path] = true
		}
		if names[op.Name] && !op.Hidden {
			t.Errorf("two operations are named %s", op.Name)
		}
		names[op.Name] = true
	}
	for _, r := range s.router.Routes() {
		if !known[r.Method+" "+r.Path] {
			t.Errorf("%s %s is not an operation", r.Method, r.Path)
		}
	}
}

// pathOf is the path of an operation with values for its parameters.
func pathOf(op *route.Operation) string {
	return strings.NewReplacer(":task", "trec", ":name", "trec", ":version", "1").Replace(op.Path)
}

// Examples match their schemas, and the server accepts examples of requests.
func TestOpenAPIExamples(t *testing.T) {
	o := Options{AdminKeys: []string{"admin"}}
	d := documentOf(t, newServer(t, servertest.NewEngine(), o))
	for _, op := range newServer(t, servertest.NewEngine(), o).operations() {
		if text := op.Answer.Example; text != "" {
			status := max(op.Status, http.StatusOK)
			if err := d.answer(t, &op, status).Validate(parseJSON(t, text)); err != nil {
				t.Errorf("%s: answer: %v", op.Name, err)
			}
		}
		for _, c := range op.Request {
			if c.Wire == nil {
				continue
			}
			if err := d.request(t, &op).Validate(parseJSON(t, c.Example)); err != nil {
				t.Errorf("%s: request: %v", op.Name, err)
			}
			e := servertest.NewEngine()
			e.Deltas["trec"] = "a,b"
			w := do(newServer(t, e, o), op.Method, pathOf(&op), c.Example, append([]string{"Content-Type", "application/json"}, asAdmin...)...)
			if w.Code != http.StatusOK {
				t.Errorf("%s: status %d: %s", op.Name, w.Code, w.Body)
			}
		}
	}
}

// The document describes every answer of the wire goldens.
func TestOpenAPIAnswers(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), wireOptions)
	d := documentOf(t, s)
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range files {
		cases := servertest.ReadCases(t, file)
		for _, c := range cases {
			op := operationOf(s, c.Request)
			if op == nil || len(c.Response.Body) == 0 {
				continue
			}
			schema := d.answer(t, op, c.Response.Status)
			if schema == nil {
				t.Errorf("%s: %s: status %d is not in the document", file, c.Name, c.Response.Status)
				continue
			}
			if err := schema.Validate(parseJSON(t, string(c.Response.Body))); err != nil {
				t.Errorf("%s: %s: %v", file, c.Name, err)
			}
			checked++
		}
	}
	if checked < 100 {
		t.Errorf("only %d answers were checked", checked)
	}
}

// operationOf finds the operation of a request.
func operationOf(s *Server, q servertest.Request) *route.Operation {
	path, _, _ := strings.Cut(q.Path, "?")
	parts := strings.Split(path, "/")
	for _, op := range s.table.Operations() {
		if pattern := strings.Split(op.Path, "/"); op.Method == q.Method && slices.EqualFunc(pattern, parts, func(p, part string) bool {
			return p == part || strings.HasPrefix(p, ":")
		}) {
			return &op
		}
	}
	return nil
}

// agreement has low limits, so that generated requests exceed them.
var agreement = Options{
	MaxTexts: 3, MaxTasks: 2, MaxTextBytes: 10, AdminKeys: []string{"admin"}, About: About{Vocabulary: 1001},
}

// The schema of a request and its handler accept the same requests. An independent
// validator checks the schema.
func TestSchemasAndHandlersAgree(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), agreement)
	d := documentOf(t, s)
	for _, op := range s.table.Operations() {
		schema := d.request(t, &op)
		if schema == nil {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			accepted, rejected := 0, 0
			for range 8 { // 100 checks each
				rapid.Check(t, func(t *rapid.T) {
					value := fromSchema(schema, 0).Draw(t, "value")
					for range rapid.IntRange(0, 2).Draw(t, "changes") {
						value = changed(t, value)
					}
					body, err := json.Marshal(value)
					if err != nil {
						t.Fatal(err)
					}
					invalid := schema.Validate(parseJSON(t, string(body)))
					w := do(s, op.Method, pathOf(&op), string(body), append([]string{"Content-Type", "application/json"}, asAdmin...)...)
					rejects := w.Code == http.StatusBadRequest || w.Code == http.StatusUnprocessableEntity
					switch {
					case invalid != nil && !rejects && w.Code != http.StatusNotFound: // an unknown task
						t.Fatalf("%s: status %d, the schema rejects it: %v", body, w.Code, invalid)
					case invalid == nil && rejects && !strings.HasPrefix(op.Name, "infer"):
						// A schema cannot say how the tensors of a request depend on each
						// other.
						t.Fatalf("%s: status %d, the schema accepts it: %s", body, w.Code, w.Body)
					}
					if invalid == nil {
						accepted++
					} else {
						rejected++
					}
				})
			}
			if accepted == 0 || rejected == 0 {
				t.Errorf("%d valid and %d invalid requests: the generator must make both", accepted, rejected)
			}
		})
	}
}

// fromSchema generates values that mostly match a schema and sometimes exceed its
// limits.
func fromSchema(s *jsonschema.Schema, depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		for s.Ref != nil {
			s = s.Ref
		}
		switch {
		case len(s.AnyOf) > 0:
			i := rapid.IntRange(0, len(s.AnyOf)-1).Draw(t, "of")
			if depth > 6 {
				i = 0
			}
			return fromSchema(s.AnyOf[i], depth+1).Draw(t, "any")
		case s.Enum != nil:
			return rapid.SampledFrom(s.Enum.Values).Draw(t, "enum")
		case s.Types == nil:
			return scalar().Draw(t, "scalar")
		}
		types := s.Types.ToStrings()
		switch rapid.SampledFrom(types).Draw(t, "type") {
		case "object":
			object := map[string]any{}
			for _, name := range sortedKeys(s.Properties) { // the same from run to run
				member := s.Properties[name]
				if slices.Contains(s.Required, name) || rapid.Bool().Draw(t, name+"?") {
					object[name] = fromSchema(member, depth+1).Draw(t, name)
				}
			}
			return object
		case "array":
			list := []any{}
			for range rapid.IntRange(0, 4).Draw(t, "n") {
				var items *jsonschema.Schema
				if items = s.Items2020; items == nil {
					break
				}
				list = append(list, fromSchema(items, depth+1).Draw(t, "item"))
			}
			return list
		case "string":
			if s.Pattern != nil {
				return rapid.SampledFrom([]string{"trec", "sst2", "odd", "sst2", "a b", "..", ""}).Draw(t, "task")
			}
			return rapid.SampledFrom([]string{"", "a", "a b", "text", "BYTES", "much too long", "ten bytes."}).Draw(t, "text")
		case "integer", "number":
			return json.RawMessage(rapid.SampledFrom([]string{"-1", "0", "1", "2", "2.0", "1e0", "1.5", "1000", "1001", "2147483647", "2147483648", "1e99"}).Draw(t, "number"))
		case "boolean":
			return rapid.Bool().Draw(t, "bool")
		}
		return nil
	})
}

func scalar() *rapid.Generator[any] {
	return rapid.SampledFrom([]any{nil, true, 0, 1, -3, 1.5, "", "trec", "a", []any{}, map[string]any{}, []any{"a"}, []any{1}, map[string]any{"text": "a"}})
}

// changed changes one part of a value.
func changed(t *rapid.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		switch names := sortedKeys(v); rapid.IntRange(0, 5).Draw(t, "how") {
		case 0:
			v[rapid.SampledFrom([]string{"text", "text_pair", "user", "model", "top_k", "truncate"}).Draw(t, "new")] = scalar().Draw(t, "member")
		case 1:
			if len(names) > 0 {
				delete(v, rapid.SampledFrom(names).Draw(t, "gone"))
			}
		case 2:
			return scalar().Draw(t, "instead")
		default:
			if len(names) > 0 {
				name := rapid.SampledFrom(names).Draw(t, "in")
				v[name] = changed(t, v[name])
			}
		}
		return v
	case []any:
		if len(v) > 0 && rapid.Bool().Draw(t, "in") {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "i")
			v[i] = changed(t, v[i])
			return v
		}
	}
	return scalar().Draw(t, "instead")
}

func sortedKeys[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The page refers to nothing outside itself and shows every operation once.
func TestDocsPage(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{APIKeys: []string{"use"}})
	w := do(s, http.MethodGet, "/docs", "")
	page := w.Body.String()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("status %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	for _, forbidden := range []string{"http://", "https://", "<script", "src=", "url(", "@import"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page contains %s", forbidden)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "style-src 'sha256-") {
		t.Errorf("policy %s", policy)
	}
	for _, op := range s.table.Operations() {
		if op.Hidden {
			continue
		}
		if n := strings.Count(page, fmt.Sprintf(`<details id="%s">`, op.Name)); n != 1 {
			t.Errorf("the page shows %s %d times", op.Name, n)
		}
	}
}
