package jsonbody

import (
	"strings"
	"testing"

	"kenserve/server/internal/problem"
)

// openBody is a wire type that allows unknown members, closedBody one that does
// not. Their required members come last: order is of no importance.
type (
	openBody struct {
		_     struct{} `additionalProperties:"true"`
		Count *int     `json:"count,omitempty"`
		Name  string   `json:"name"`
	}
	closedBody struct {
		Pair string `json:"pair,omitempty"`
		Text string `json:"text"`
	}
)

type bodyParser struct {
	Parser
	name  string
	count int
}

var (
	openObject = NewObject[openBody](map[string]func(p *bodyParser, at problem.Path){
		"name":  func(p *bodyParser, at problem.Path) { p.name = p.String(at) },
		"count": func(p *bodyParser, at problem.Path) { p.count = p.PositiveInt(at) },
	})
	closedObject = NewObject[closedBody](map[string]func(p *bodyParser, at problem.Path){
		"text": func(p *bodyParser, at problem.Path) { p.name = p.String(at) },
		"pair": func(p *bodyParser, at problem.Path) { p.String(at) },
	})
)

func TestObject(t *testing.T) {
	for _, c := range []struct {
		object *Object[*bodyParser]
		body   string
		name   string
		count  int
		err    string
	}{
		{openObject, `{"name":"a","count":2}`, "a", 2, ""},
		{openObject, `{"count":2,"name":"a"}`, "a", 2, ""},
		{openObject, `{"name":"a","count":null}`, "a", 0, ""},
		{openObject, `{"user":{"count":[]},"name":"a"}`, "a", 0, ""},
		{openObject, `{"Name":"a"}`, "", 0, `at has an unknown member "Name"; did you mean "name"?`},
		{openObject, `{"name":"a","co-unt":2}`, "a", 0, `at has an unknown member "co-unt"; did you mean "count"?`},
		{openObject, `{"count":2}`, "", 2, "at.name is required"},
		{openObject, `{"count":0,"name":5}`, "", 0, "at.count is 0, must be a whole number from 1 to 2147483647, or null"},
		{openObject, `[]`, "", 0, "at is a list, must be an object"},
		{openObject, `null`, "", 0, "at is null, must be an object"},
		{openObject, `{"name":"a","name":"a"}`, "a", 0, `the body cannot be read as JSON: at byte 19: member "name" appears twice`},
		{openObject, `{"count":0`, "", 0, "the body cannot be read as JSON: at byte 10: expected ',' or '}'"},
		{closedObject, `{"text":"a","pair":"b"}`, "a", 0, ""},
		{closedObject, `{"text":"a","pear":"b"}`, "a", 0, `at has an unknown member "pear"; it may have pair and text`},
	} {
		p := &bodyParser{Parser: NewParser(c.body)}
		c.object.Read(p, problem.Field("at"))
		message := ""
		if err := p.Finish(); err != nil {
			message = err.Error()
		}
		if p.name != c.name || p.count != c.count || message != c.err {
			t.Errorf("%s: name %q, count %d, error %q; want %q, %d, %q", c.body, p.name, p.count, message, c.name, c.count, c.err)
		}
	}
}

func TestReadOrNull(t *testing.T) {
	for body, want := range map[string]string{`null`: "", `{"name":"a"}`: "a"} {
		p := &bodyParser{Parser: NewParser(body)}
		openObject.ReadOrNull(p, problem.Path{})
		if err := p.Finish(); err != nil || p.name != want {
			t.Errorf("%s: name %q, %v", body, p.name, err)
		}
	}
}

// Names of members and functions must match.
func TestNewObjectPanics(t *testing.T) {
	read := func(*bodyParser, problem.Path) {}
	type functions = map[string]func(p *bodyParser, at problem.Path)
	for want, f := range map[string]functions{
		`member "name" of jsonbody.openBody has no function`: {"count": read},
		`jsonbody.openBody has no member "nmae"`:             {"count": read, "name": read, "nmae": read},
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, want) {
					t.Errorf("panic %q, want %q", got, want)
				}
			}()
			NewObject[openBody](f)
		}()
	}
}

func TestOneOf(t *testing.T) {
	words := []string{"left", "right"}
	for body, want := range map[string]string{
		`"left"`: "left", `null`: "",
		`"up"`: `error: at is "up", must be one of ["left" "right"], or null`,
		`5`:    `error: at is 5, must be one of ["left" "right"], or null`,
	} {
		p := NewParser(body)
		got := p.OneOf(problem.Field("at"), words)
		if err := p.Finish(); err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// An error about a type says which type was found. It does not quote texts.
func TestUnexpected(t *testing.T) {
	for body, found := range map[string]string{
		`{"a":1}`: "an object", `[1]`: "a list", `"text"`: "a string", `true`: "true", `false`: "false", `null`: "null",
		`-1.5e3`: "-1.5e3", strings.Repeat("1", 33): "a number",
	} {
		p := NewParser(body)
		p.Unexpected(problem.Field("at"), "a text")
		if want, err := "at is "+found+", must be a text", p.Finish(); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestInt(t *testing.T) {
	for body, want := range map[string]string{
		`3`: "", `3.0`: "", `30e-1`: "",
		`0`: "at is 0", `-3`: "at is -3", `3.5`: "at is 3.5", `3e99`: "at is 3e99", `2147483648`: "at is 2147483648", `"3"`: "at is a string", `[3]`: "at is a list",
	} {
		p := NewParser(body)
		n := p.Int(problem.Field("at"), "positive", func(n int32) bool { return n > 0 })
		switch err := p.Finish(); {
		case want == "" && (err != nil || n != 3):
			t.Errorf("%s: %d, %v", body, n, err)
		case want != "" && (n != 0 || err == nil || err.Error() != want+", must be positive"):
			t.Errorf("%s: %d, %v", body, n, err)
		}
	}
}
