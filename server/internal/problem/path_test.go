package problem

import "testing"

func TestPath(t *testing.T) {
	for _, c := range []struct {
		path Path
		want string
	}{
		{Path{}, ""},
		{Path{}.Member("input"), "input"},
		{Field("input"), "input"},
		{Field("input").Element(0), "input[0]"},
		{Field("input").Element(3).Member("text_pair"), "input[3].text_pair"},
		{Field("parameters").Member("top_k"), "parameters.top_k"},
		{Field("inputs").Element(1).Member("parameters").Member("binary_data_size"), "inputs[1].parameters.binary_data_size"},
		{Values{Name: "input"}.At(0), "input"},
		{Values{Name: "input", Listed: true}.At(2), "input[2]"},
	} {
		if got := c.path.String(); got != c.want {
			t.Errorf("path %q, want %q", got, c.want)
		}
	}
}

func TestInvalidIsASentence(t *testing.T) {
	for want, p := range map[string]*Problem{
		"input[1] must be a string": Invalid(Field("input").Element(1), "must be a %s", "string"),
		"the body is empty":         Invalid(Path{}, "is empty"),
	} {
		if p.Message != want {
			t.Errorf("message %q, want %q", p.Message, want)
		}
	}
}
