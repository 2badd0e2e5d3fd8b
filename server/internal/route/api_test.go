package route

import "testing"

// An API owns its prefix and the paths below it, whether or not they are routes.
func TestTableOwner(t *testing.T) {
	table := Table{{}, {Prefix: "/tei/"}, {Prefix: "/models/"}, {Prefix: "/v2"}}
	for path, want := range map[string]string{
		"/":                  "",
		"/classify":          "",
		"/tei/":              "/tei/",
		"/tei/trec/predict":  "/tei/",
		"/teichmann":         "",
		"/models/trec":       "/models/",
		"/models":            "",
		"/v2":                "/v2",
		"/v2/":               "/v2",
		"/v2/models/a/infer": "/v2",
		"/v21":               "",
	} {
		if got := table.Owner(path).Prefix; got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
}
