package jsonbody

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// value reads any value as encoding/json does, numbers as json.Number.
func (r *reader) value() any {
	switch c := r.Peek(); c {
	case '{':
		m := map[string]any{}
		for name := range r.Members {
			m[name] = r.value()
		}
		return m
	case '[':
		a := []any{}
		for range r.Elements {
			a = append(a, r.value())
		}
		return a
	case '"':
		return r.ReadString()
	case 't':
		r.literal("true")
		return true
	case 'f':
		r.literal("false")
		return false
	case 'n':
		r.literal("null")
		return nil
	default:
		if c != '-' && (c < '0' || c > '9') {
			r.Skip()
			return nil
		}
		return json.Number(r.number())
	}
}

// checkReader compares the reader with encoding/json. Apart from half surrogate
// pairs and deeper nesting, which encoding/json accepts, both accept the same
// texts.
func checkReader(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		return
	}
	r := reader{text: text}
	got := r.value()
	r.end()

	s := reader{text: text}
	s.Skip()
	s.end()
	if !reflect.DeepEqual(r.syntax, s.syntax) {
		t.Fatalf("%q: reading fails with %v, skipping with %v", text, r.syntax, s.syntax)
	}
	var want any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&want)
	valid := json.Valid([]byte(text))
	switch {
	case r.syntax == nil && !valid:
		t.Fatalf("%q is not JSON and was accepted", text)
	case r.syntax == nil && err == nil:
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: read %#v, want %#v", text, got, want)
		}
		if r.depth != 0 {
			t.Fatalf("%q: depth %d at the end", text, r.depth)
		}
	case r.syntax != nil && valid:
		if m := r.syntax.Message; !strings.Contains(m, "surrogate") && !strings.Contains(m, "deeper") && !strings.Contains(m, "twice") && !strings.Contains(m, "members") {
			t.Fatalf("%q is JSON and was rejected: %s", text, m)
		}
	}
}

var jsonTexts = []string{
	``, ` `, `null`, `nul`, `nulll`, `true`, `false`, `truefalse`, `0`, `-0`, `01`, `-`, `1.`, `.5`, `1.5`, `1e`, `1e5`, `1E+05`, `1e-`, `+1`, `1 2`, `--1`,
	`""`, `"`, `"a`, `"\"`, `"\u"`, `"\u12"`, `"\u12g4"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\x"`, `"\`, `"\b\f\n\r\t\/\\\""`,
	"\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\x00", "\"a\nb\"", "\"日本\"", "\"a\\n日本\\t\"", "\"\\n\x01\"", "\ufeff1", "\u00a01", "\v1",
	`[]`, `[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1,2]`, ` [ 1 , 2 ] `, `[[[]]]`, `[}`,
	`{}`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `{"a":1,"a":2}`, `{"a":1 "b":2}`, ` { "a" : [ { } ] } `, `{]`,
	`{"a":{"b":{"c":[1,2,{"d":null}]}}}`, `[1]x`, `[1]]`, `{}{}`,
	strings.Repeat("[", 32) + strings.Repeat("]", 32),
	strings.Repeat("[", 33) + strings.Repeat("]", 33),
	strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
}

func TestJSONReader(t *testing.T) {
	for _, text := range jsonTexts {
		checkReader(t, text)
	}
	checkReader(t, strings.Repeat("[", 1_000_000))
}

func FuzzJSONReader(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add(text)
	}
	f.Fuzz(checkReader)
}

// No object may have a member twice, at any depth, whether it is looked into or not.
func TestMembersAppearOnce(t *testing.T) {
	many := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return "{" + b.String() + more + "}"
	}
	for text, want := range map[string]string{
		`{"a":1,"b":{"a":1}}`:                 "",
		`{"a":1,"a":1}`:                       "twice",
		`{"a":1,"\u0061":1}`:                  "twice",
		`[{"x":[{"y":{"z":1,"q":2,"z":3}}]}]`: "twice",
		many(8, `"m7":1`):                     "twice",
		many(9, `"m0":1`):                     "twice",
		many(100, `"m50":1`):                  "twice",
		many(100, `"n":1`):                    "",
		many(maxMembers-1, `"n":1`):           "",
		many(maxMembers, `"n":1`):             "more than 4096 members",
	} {
		r := reader{text: text}
		r.Skip()
		r.end()
		if (r.syntax == nil) != (want == "") || r.syntax != nil && !strings.Contains(r.syntax.Message, want) {
			t.Errorf("%.40s: %v, want %q", text, r.syntax, want)
		}
	}
}

// Strings without escapes are parts of the body, not copies.
func TestJSONReaderDoesNotCopy(t *testing.T) {
	text := `["` + strings.Repeat("some words ", 100) + `", {"a": 12.5, "b": [true, false, null, "c"]}]`
	n := testing.AllocsPerRun(100, func() {
		r := reader{text: text}
		for i := range r.Elements {
			if i == 0 {
				r.ReadString()
			} else {
				r.Skip()
			}
		}
		r.end()
		if r.syntax != nil {
			t.Fatal(r.syntax)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
