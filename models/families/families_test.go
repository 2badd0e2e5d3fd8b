package families_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kenserve/models"
	"kenserve/models/families"
)

// requiredMembers are configuration members that a family needs, as JSON.
var requiredMembers = map[string]string{
	"deberta":    `"relative_attention":true,"pos_att_type":["c2p","p2c"]`,
	"deberta-v2": `"relative_attention":true,"pos_att_type":["c2p","p2c"]`,
}

func TestNew(t *testing.T) {
	if names := families.Names(); !slices.IsSorted(names) {
		t.Errorf("the families are not in alphabetical order: %v", names)
	}
	for _, name := range families.Names() {
		if a, err := families.New(parse(t, name, requiredMembers[name])); err != nil || a.MaxTokens() < 500 {
			t.Errorf("%s: got %v, error %v", name, a, err)
		}
	}
	if a, err := families.New(parse(t, "perceiver", "")); !errors.Is(err, families.ErrUnknown) || a != nil {
		t.Errorf("perceiver: %v, error %v", a, err)
	}
}

// memberName matches the name of a configuration member.
var memberName = regexp.MustCompile(`"([a-z_]+)":`)

// nested matches an object without objects in it.
var nested = regexp.MustCompile(`\{[^{}]*\}`)

// TestNewRefuses: New returns an error for everything in Family.Refuses. The error
// contains the name of the member.
func TestNewRefuses(t *testing.T) {
	for _, f := range families.All {
		for _, fields := range f.Refuses {
			_, err := families.New(parse(t, f.ModelType, fields))
			if err == nil {
				t.Errorf("%s: %s: no error", f.ModelType, fields)
				continue
			}
			top := fields
			for nested.MatchString(top) {
				top = nested.ReplaceAllString(top, "")
			}
			names := memberName.FindAllStringSubmatch(top, -1) // the last member is the unsupported one
			if !strings.Contains(err.Error(), names[len(names)-1][1]) {
				t.Errorf("%s: %s: error %v does not name the member", f.ModelType, fields, err)
			}
		}
	}
}

// TestDefaults: a configuration without sizes has as many parameters as in
// transformers, and no parameter is listed twice.
func TestDefaults(t *testing.T) {
	for name, want := range map[string]int{
		"bert": 109483778, "distilbert": 66955010, "electra": 13549314, "ernie": 109483778,
		"deberta": 139587074, "deberta-v2": 994764290, "roberta": 124646402, "modernbert": 149606402, "bloom": 16156672, "xlm-roberta": 109483778,
	} {
		a, err := families.New(parse(t, name, requiredMembers[name]))
		if err != nil {
			t.Fatal(err)
		}
		count, seen := 0, map[string]bool{}
		for _, p := range append(a.Parameters(), a.Head(2)...) {
			n := 1
			for _, d := range p.Shape {
				n *= d
			}
			count += n
			if seen[p.Name] {
				t.Errorf("%s lists %s twice", name, p.Name)
			}
			seen[p.Name] = true
		}
		if count != want {
			t.Errorf("%s has %d parameters, want %d", name, count, want)
		}
	}
}

func parse(t *testing.T, modelType, fields string) *models.Config {
	t.Helper()
	text := `{"model_type":"` + modelType + `"`
	if fields != "" {
		text += "," + fields
	}
	config, err := models.ParseConfig([]byte(text + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// FuzzNew: for any configuration, New returns an error or an architecture with
// valid shapes.
func FuzzNew(f *testing.F) {
	for _, family := range families.All {
		f.Add(family.ModelType, "")
		f.Add(family.ModelType, requiredMembers[family.ModelType])
		for _, fields := range family.Refuses {
			f.Add(family.ModelType, fields)
		}
	}
	f.Fuzz(func(t *testing.T, modelType, fields string) {
		text := `{"model_type":"` + modelType + `"`
		if fields != "" {
			text += "," + fields
		}
		config, err := models.ParseConfig([]byte(text + "}"))
		if err != nil {
			return
		}
		a, err := families.New(config)
		if err != nil {
			return
		}
		if a.MaxTokens() < 1 {
			t.Errorf("%s accepts %d tokens, want at least 1", text, a.MaxTokens())
		}
		for _, p := range append(a.Parameters(), a.Head(len(config.Labels))...) {
			for _, d := range p.Shape {
				if d < 1 {
					t.Errorf("%s: tensor %s has shape %v", text, p.Name, p.Shape)
				}
			}
		}
	})
}
