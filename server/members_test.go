package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"kenserve/internal/settings"
	"kenserve/server/internal/route"
	"kenserve/server/internal/servertest"
)

// withMember returns a request whose object at a path, as in inputs[0].parameters, has
// one more member.
func withMember(t *testing.T, request, object, name, value string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(request), &body); err != nil {
		t.Fatal(err)
	}
	at := body
	for _, step := range strings.FieldsFunc(object, func(r rune) bool { return r == '.' }) {
		step, listed := strings.CutSuffix(step, "[0]")
		if at[step] == nil && listed {
			at[step] = []any{map[string]any{"name": "label"}}
		} else if at[step] == nil {
			at[step] = map[string]any{}
		}
		if listed {
			at = at[step].([]any)[0].(map[string]any)
		} else {
			at = at[step].(map[string]any)
		}
	}
	at[name] = json.RawMessage(value)
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each member of the tables does what its table says: it changes nothing, or the
// answer is an error that names it.
func TestMembers(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for _, api := range s.table {
		for _, m := range api.Members {
			op := operationNamed(t, api, m.Operation)
			send := func(name, value string) (int, string) {
				w := do(s, op.Method, pathOf(op), withMember(t, op.Request[0].Example, m.Object, name, value))
				return w.Code, w.Body.String()
			}
			for _, other := range m.Others {
				at := strings.TrimPrefix(m.Object+"."+other.Name, ".")
				accepted := []string{"null"}
				if other.Refused != "" {
					code, body := send(other.Name, `["other"]`)
					var message string
					if code != http.StatusBadRequest && code != http.StatusUnprocessableEntity {
						t.Errorf("%s: %s is refused, but the status is %d", op.Path, at, code)
					}
					if message = body; !strings.Contains(message, at) || !strings.Contains(message, "not supported here") {
						t.Errorf("%s: %s: the error does not name it: %s", op.Path, at, message)
					}
					accepted = append(accepted, other.Allowed...)
				} else {
					accepted = append(accepted, `["any"]`, "true", `"text"`)
				}
				for _, value := range accepted {
					if code, body := send(other.Name, value); code != http.StatusOK {
						t.Errorf("%s: %s: %s: status %d: %s", op.Path, at, value, code, body)
					}
				}
			}
		}
	}
}

func operationNamed(t *testing.T, api route.API, name string) *route.Operation {
	t.Helper()
	for i, op := range api.Operations {
		if op.Name == name {
			return &api.Operations[i]
		}
	}
	t.Fatalf("no operation is named %s", name)
	return nil
}

// A route of a compatible API that a task cannot answer has an error in that API's
// shape.
func TestUnansweredRoutes(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for _, c := range []struct{ method, path, want string }{
		{"POST", "/tei/trec/embed", `{"error":"a task is a classifier, which has no embeddings: POST /tei/{task}/predict returns its labels","error_type":"Backend"}`},
		{"POST", "/embed", `{"error":"a task is a classifier, which has no embeddings: POST /tei/{task}/predict returns its labels","error_type":"Backend"}`},
		{"POST", "/tei/trec/rerank", `{"error":"a task is a classifier, which does not rank texts: POST /tei/{task}/predict returns the labels of pairs of texts","error_type":"Backend"}`},
		{"POST", "/vllm/v1/embeddings", `{"error":{"message":"the model does not support embeddings: tasks are classifiers, POST /vllm/classify returns their labels","type":"BadRequestError","param":null,"code":400}}`},
		{"POST", "/v1/embeddings", `{"error":{"message":"the model does not support embeddings: tasks are classifiers, POST /vllm/classify returns their labels","type":"BadRequestError","param":null,"code":400}}`},
		{"POST", "/vllm/pooling", `{"error":{"message":"the model does not support pooling: tasks are classifiers, POST /vllm/classify returns their labels","type":"BadRequestError","param":null,"code":400}}`},
		{"POST", "/models/trec/pipeline/feature-extraction", `{"error":"a task does text classification only: POST /models/{task}"}`},
		{"POST", "/v2/models/trec/generate", `{"error":"a task is a classifier, which writes no text: POST /v2/models/{task}/infer returns its labels"}`},
		{"GET", "/v2/models/trec/stats", `{"error":"the server has no statistics or configuration of models by this protocol: GET /metrics and GET /tasks/{task} have the figures"}`},
	} {
		w := do(s, c.method, c.path, `{"inputs":"a","input":"a","model":"trec"}`)
		if got := strings.TrimSpace(w.Body.String()); got != c.want || w.Code < 400 {
			t.Errorf("%s %s: status %d, %s, want %s", c.method, c.path, w.Code, got, c.want)
		}
	}
	for _, path := range []string{"/tei/trec", "/models/trec/pipeline/text-classification", "/pipeline/text-classification/trec"} {
		if w := do(s, http.MethodPost, path, `{"inputs":"a"}`); w.Code != http.StatusOK {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}

const httpDocs = "../docs/http.md"

// The tables of members in docs/http.md are those of the server. With -update it
// writes them, between the lines <!-- members of OPERATION --> and <!-- end -->.
func TestMembersDocs(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	text, err := os.ReadFile(httpDocs)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for _, api := range s.table {
		tables := map[string]string{}
		for _, m := range api.Members {
			op := operationNamed(t, api, m.Operation)
			tables[m.Operation] += membersTable(op, m)
		}
		for name, table := range tables {
			begin := "<!-- members of " + name + " -->\n"
			before, rest, ok := strings.Cut(got, begin)
			if !ok {
				t.Fatalf("%s has no line %q", httpDocs, strings.TrimSpace(begin))
			}
			_, after, ok := strings.Cut(rest, "<!-- end -->")
			if !ok {
				t.Fatalf("%s: the members of %s have no end", httpDocs, name)
			}
			got = before + begin + table + "\n<!-- end -->" + after
		}
	}
	if *update {
		if err := os.WriteFile(httpDocs, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != string(text) {
		t.Errorf("the tables of members in %s are not the server's; rewrite them with -update", httpDocs)
	}
}

// membersTable is the Markdown of the members of one object.
func membersTable(op *route.Operation, m route.Members) string {
	object := "the request"
	if m.Object != "" {
		object = "`" + strings.ReplaceAll(m.Object, "[0]", "[i]") + "`"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| member of %s | |\n|---|---|\n", object)
	for _, f := range reflect.VisibleFields(m.Wire) {
		if !f.IsExported() {
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		doc := f.Tag.Get("doc")
		if doc == "" {
			doc = "Takes effect."
		}
		if rest != "omitempty" {
			doc = "Required. " + strings.TrimPrefix(doc, "Takes effect.")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.TrimSpace(doc))
	}
	for _, harmless := range []bool{true, false} {
		for i := 0; i < len(m.Others); {
			first := m.Others[i]
			var names []string
			for ; i < len(m.Others) && sameReason(first, m.Others[i]); i++ {
				names = append(names, "`"+m.Others[i].Name+"`")
			}
			switch {
			case harmless && first.Refused == "":
				fmt.Fprintf(&b, "| %s | Changes nothing: %s. |\n", strings.Join(names, ", "), first.Harmless)
			case !harmless && first.Refused != "":
				refused := "Refused"
				if len(first.Allowed) > 0 {
					refused = "Refused, except `" + strings.Join(first.Allowed, "`, `") + "`"
				}
				fmt.Fprintf(&b, "| %s | %s: %s. |\n", strings.Join(names, ", "), refused, first.Refused)
			}
		}
	}
	return b.String()
}

func sameReason(a, b settings.Setting) bool {
	a.Name, b.Name = "", ""
	return reflect.DeepEqual(a, b)
}

// Members that no table has: /classify, which is this server's own, refuses them, and
// the others do what the services do that they follow. A known name in another spelling
// is an error everywhere.
func TestUnknownMembers(t *testing.T) {
	s := newServer(t, servertest.NewEngine(), Options{})
	for _, c := range []struct {
		path, body string
		want       string // in the error; empty: 200
	}{
		{"/classify", `{"model":"trec","input":"a","sampling":2}`, `unknown member \"sampling\"`},
		{"/classify", `{"model":"trec","input":"a","topK":1}`, `unknown member \"topK\"; did you mean \"top_k\"?`},
		{"/classify", `{"model":"trec","input":"a","Threshold":1}`, `did you mean \"threshold\"?`},
		{"/classify", `{"model":"trec","input":"a","user":"me","batch_size":4}`, ""},
		{"/vllm/classify", `{"model":"trec","input":"a","sampling":2}`, ""},
		{"/vllm/classify", `{"model":"trec","input":"a","useActivation":false}`, `did you mean \"use_activation\"?`},
		{"/tei/trec/predict", `{"inputs":"a","sampling":2}`, ""},
		{"/tei/trec/predict", `{"inputs":"a","rawScores":true}`, `did you mean \"raw_scores\"?`},
		{"/models/trec", `{"inputs":"a","parameters":{"sampling":2}}`, ""},
		{"/models/trec", `{"inputs":"a","parameters":{"topk":1}}`, `did you mean \"top_k\"?`},
		{"/v2/models/trec/infer", `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["a"]}],"Outputs":[{"name":"score"}]}`, `did you mean \"outputs\"?`},
	} {
		w := do(s, http.MethodPost, c.path, c.body)
		if ok := w.Code == http.StatusOK; ok != (c.want == "") || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: status %d, %s, want %q", c.path, c.body, w.Code, w.Body, c.want)
		}
	}
}
