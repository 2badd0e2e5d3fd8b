package native

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/server/internal/core"
	"kenserve/server/internal/problem"
	"kenserve/server/internal/servertest"
)

// sameRequest compares requests without the arrays, which are only memory for the
// slices.
var sameRequest = cmp.Options{
	cmp.AllowUnexported(classifyRequest{}, runtime.Input{}),
	cmpopts.IgnoreFields(classifyRequest{}, "oneTask", "oneInput"),
}

// The requests of accepted bodies. Answers and errors are in testdata.
func TestParseClassify(t *testing.T) {
	truncate := runtime.Options{Truncate: true}
	for _, c := range []struct {
		body string
		want classifyRequest
	}{
		{`{"model":"a","input":"x"}`,
			classifyRequest{tasks: []string{"a"}, inputs: []runtime.Input{{Text: "x"}}, options: truncate}},
		{`{"input":["x","y"],"truncate":false,"raw_scores":true,"top_k":3,"model":"A.b_c-9"}`,
			classifyRequest{tasks: []string{"A.b_c-9"}, inputs: []runtime.Input{{Text: "x"}, {Text: "y"}}, inputListed: true, topK: 3, options: runtime.Options{Raw: true}}},
		{`{"model":["a","b"],"input":{"text_pair":"y","text":"x"}}`,
			classifyRequest{tasks: []string{"a", "b"}, modelListed: true, inputs: []runtime.Input{{Text: "x", Pair: new("y")}}, options: truncate}},
		{`{"model":"a","input":["",{"text":"x","text_pair":null},{"text":"","text_pair":""}]}`,
			classifyRequest{tasks: []string{"a"}, inputs: []runtime.Input{{}, {Text: "x"}, {Pair: new("")}}, inputListed: true, options: truncate}},
		{`{"model":"\u0061","input":"\ud83d\ude00\u0000\n","top_k":2147483647}`,
			classifyRequest{tasks: []string{"a"}, inputs: []runtime.Input{{Text: "😀\x00\n"}}, options: truncate, topK: 2147483647}},
	} {
		got, err := parseClassify(c.body, servertest.FuzzLimits)
		if err != nil {
			t.Errorf("%s: %s", c.body, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got, sameRequest); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
	}
}

func TestValidTaskName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "Z": true, "0": true, "a.b": true, "a_b-c": true, "a..": true, strings.Repeat("x", 128): true,
		"": false, ".": false, "..": false, ".a": false, "-a": false, "_a": false, "a/b": false, `a\b`: false, "a b": false,
		"a\x00": false, "é": false, "a\n": false, strings.Repeat("x", 129): false,
	} {
		if got := delta.ValidTask(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

func FuzzClassifyRequest(f *testing.F) {
	for _, file := range []string{"../../../testdata/classify.json", "../../../testdata/errors.json"} {
		for _, body := range servertest.Bodies(f, file) {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body string) { checkRequest(t, servertest.FuzzLimits, body) })
}

// The fuzzer rarely writes whole requests. This test combines valid and invalid
// members.
func TestClassifyRequestProperties(t *testing.T) {
	junk := rapid.SampledFrom([]any{nil, true, 7, -1.5, "", []any{}, []any{[]any{}}, map[string]any{}, map[string]any{"x": 1}})
	mostly := func(g *rapid.Generator[any]) *rapid.Generator[any] { // one in eight is junk
		return rapid.Custom(func(t *rapid.T) any {
			if rapid.IntRange(0, 7).Draw(t, "junk") == 7 {
				return junk.Draw(t, "value")
			}
			return g.Draw(t, "value")
		})
	}
	listed := func(g *rapid.Generator[any], most int) *rapid.Generator[any] {
		return rapid.OneOf(g, rapid.SliceOfN(g, 0, most).AsAny())
	}
	name := mostly(rapid.SampledFrom([]string{"a", "b", "c", "d-1", "../x", "long" + strings.Repeat("x", 125)}).AsAny())
	text := mostly(rapid.StringN(0, 20, 60).AsAny())
	object := rapid.Custom(func(t *rapid.T) any {
		members := map[string]any{"text": text.Draw(t, "text")}
		if rapid.Bool().Draw(t, "pair") {
			members["text_pair"] = text.Draw(t, "text_pair")
		}
		return members
	})
	members := map[string]*rapid.Generator[any]{
		"model":      listed(name, 5),
		"input":      listed(mostly(rapid.OneOf(text, object)), 6),
		"top_k":      mostly(rapid.IntRange(-2, 100).AsAny()),
		"raw_scores": mostly(rapid.Bool().AsAny()),
		"truncate":   mostly(rapid.Bool().AsAny()),
		"user":       junk,
	}
	accepted := 0
	property := func(t *rapid.T) {
		request := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if rapid.IntRange(0, 9).Draw(t, "left out") < 9 {
				request[name] = members[name].Draw(t, name)
			}
		}
		body, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if checkRequest(t, servertest.FuzzLimits, string(body)) {
			accepted++
		}
	}
	for range 8 { // enough for some requests to be valid, even with -short
		rapid.Check(t, property)
	}
	if accepted == 0 {
		t.Error("no request was valid")
	}
}

// fataler is *testing.T or *rapid.T.
type fataler interface {
	Fatalf(format string, args ...any)
}

// checkRequest checks the properties that hold for every body, and tells whether
// the body is a valid request.
func checkRequest(t fataler, limits core.Limits, body string) bool {
	q, err := parseClassify(body, limits)
	if err != nil {
		checkRefusal(t, body, problem.Of(err))
		return false
	}
	if len(q.inputs) < 1 || len(q.inputs) > limits.MaxTexts || len(q.tasks) < 1 || len(q.tasks) > limits.MaxTasks {
		t.Fatalf("%d texts, %d tasks", len(q.inputs), len(q.tasks))
	}
	if !q.modelListed && len(q.tasks) > 1 || !q.inputListed && len(q.inputs) > 1 || q.topK < 0 {
		t.Fatalf("%+v", q)
	}
	seen := map[string]bool{}
	for _, name := range q.tasks {
		if !delta.ValidTask(name) || seen[name] {
			t.Fatalf("tasks %q", q.tasks)
		}
		seen[name] = true
	}
	for _, in := range q.inputs {
		for _, s := range []*string{&in.Text, in.Pair} {
			if s != nil && (len(*s) > limits.MaxTextBytes || !utf8.ValidString(*s)) {
				t.Fatalf("text %q", *s)
			}
		}
	}
	checkAgainstEncodingJSON(t, body, q)
	return true
}

// checkRefusal checks the problem of a body. A body that is not JSON is malformed,
// whatever other faults it has. A malformed body is not JSON, except for the rules
// that JSON leaves open.
func checkRefusal(t fataler, body string, p *problem.Problem) {
	switch p.Status {
	case 400:
		if !json.Valid([]byte(body)) || !utf8.ValidString(body) {
			return
		}
		for _, why := range []string{"appears twice", "deeper", "surrogate"} {
			if strings.Contains(p.Message, why) {
				return
			}
		}
		t.Fatalf("%q was rejected: %s", body, p)
	case 404, 422:
		if !json.Valid([]byte(body)) {
			t.Fatalf("%q is not JSON and was rejected with %s", body, p)
		}
		if p.Field == "" && strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{") {
			t.Fatalf("%q was rejected without a field: %s", body, p)
		}
	default:
		t.Fatalf("status %d", p.Status)
	}
	if len(p.Message) > 1000 || !utf8.ValidString(p.Message) {
		t.Fatalf("message of %d bytes: %q", len(p.Message), p.Message)
	}
}

// checkAgainstEncodingJSON compares the request of an accepted body with what
// encoding/json reads.
func checkAgainstEncodingJSON(t fataler, body string, q *classifyRequest) {
	// A map, because encoding/json ignores case in the names of struct fields.
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	decode := func(raw json.RawMessage, v any) bool { return json.Unmarshal(raw, v) == nil }

	var tasks []string
	var name string
	if decode(members["model"], &name) {
		tasks = []string{name}
	} else if !decode(members["model"], &tasks) {
		t.Fatalf("model of %q", body)
	}
	elements := []json.RawMessage{members["input"]}
	if q.inputListed && !decode(members["input"], &elements) {
		t.Fatalf("input of %q", body)
	}
	var inputs []runtime.Input
	for _, raw := range elements {
		var in runtime.Input
		var object map[string]*string
		switch {
		case decode(raw, &in.Text):
		case decode(raw, &object):
			in = runtime.Input{Text: *object["text"], Pair: object["text_pair"]}
		default:
			t.Fatalf("input of %q", body)
		}
		inputs = append(inputs, in)
	}
	want := classifyRequest{tasks: tasks, inputs: inputs, modelListed: q.modelListed, inputListed: q.inputListed, options: runtime.Options{Truncate: true}}
	for name, v := range map[string]any{"top_k": &want.topK, "raw_scores": &want.options.Raw, "truncate": &want.options.Truncate} {
		if raw, ok := members[name]; ok && !decode(raw, v) {
			t.Fatalf("%s of %q", name, body)
		}
	}
	if diff := cmp.Diff(&want, q, sameRequest); diff != "" {
		t.Fatalf("%q (-encoding/json +got):\n%s", body, diff)
	}
}
