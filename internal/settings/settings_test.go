package settings

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	common := Table(append(Harmless("only training uses it", "dropout"), Used("hidden_size")))
	family := Table{Refused("is_decoder", "use an encoder", "false"), Refused("rope", "convert it", `{"type":"default"}`, `"none"`)}
	for _, c := range []struct {
		name, object string
		unknown      []string
		err          string
	}{
		{"known", `{"hidden_size": 4, "dropout": 0.1}`, nil, ""},
		{"unknown names are sorted", `{"zoo": 1, "hidden_size": 4, "ant": {}}`, []string{"ant", "zoo"}, ""},
		{"an allowed value", `{"is_decoder": false, "rope": { "type" : "default" }}`, nil, ""},
		{"another allowed value", `{"rope": "none"}`, nil, ""},
		{"null", `{"is_decoder": null}`, nil, ""},
		{"a refused value", `{"is_decoder": true}`, nil, "is_decoder true is not implemented: use an encoder"},
		{"an unknown name beside a refused value", `{"x": 1, "is_decoder": true}`, []string{"x"}, "is_decoder true is not implemented: use an encoder"},
		{"names are exact", `{"Hidden_Size": 4}`, []string{"Hidden_Size"}, ""},
	} {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.object), &members); err != nil {
			t.Fatal(err)
		}
		unknown, err := Check(members, common, family)
		if !slices.Equal(unknown, c.unknown) {
			t.Errorf("%s: unknown %v, want %v", c.name, unknown, c.unknown)
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err || !errors.Is(err, errRefused)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
}

func TestUnknownIsAWarning(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, `config.json: 1 setting is unknown and ignored: "a"`},
		{[]string{"a", "b\x1b"}, `config.json: 2 settings are unknown and ignored: "a", "b\x1b"`},
	} {
		if got := (Unknown{"config.json", c.names}).String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.names, got, c.want)
		}
	}
}
