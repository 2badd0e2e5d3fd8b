package runtime

import (
	"fmt"
	"reflect"
	"slices"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/models/families"
)

// taskArchitecture returns the model that a tuned checkpoint's configuration
// describes: b.arch itself if it computes the same, and then shared is true. Its
// parameters must be the base's, except that tables have the rows that the delta says.
// Settings without weights, such as how a classifier pools, are the task's own, and so
// are the limits. A delta without a configuration has the base's model.
func (b *Base) taskArchitecture(d *delta.Delta) (arch models.Architecture, shared bool, err error) {
	if d.Config == "" {
		if d.Rows != nil {
			return nil, false, fmt.Errorf("the delta has resized tables but no configuration, which says what they are")
		}
		return b.arch, true, nil
	}
	c, err := models.ParseConfig([]byte(d.Config))
	if err != nil {
		return nil, false, err
	}
	if arch, err = families.New(c); err != nil {
		return nil, false, err
	}
	parameters := arch.Parameters()
	if arch.Prefix() != b.arch.Prefix() || len(parameters) != len(b.parameters) {
		return nil, false, fmt.Errorf("the delta's configuration (%s) describes another model than the base's (%s): %s", c.ModelType, b.config.ModelType, firstDifference(arch, b.arch))
	}
	resized := 0
	for i, p := range parameters {
		q := b.parameters[i]
		want := q.Shape
		if rows, ok := d.Rows[b.names[q.Name]]; ok && q.Role == models.Embedding {
			resized++
			want = []int{rows, q.Shape[1]}
		}
		if p.Name != q.Name || p.Role != q.Role {
			return nil, false, fmt.Errorf("the delta's configuration (%s) describes another model than the base's (%s): parameter %s where the base has %s", c.ModelType, b.config.ModelType, p.Name, q.Name)
		}
		if !slices.Equal(p.Shape, want) {
			return nil, false, fmt.Errorf("tensor %s has shape %v by the delta's configuration, and %v by the base and the delta", p.Name, p.Shape, want)
		}
	}
	if resized != len(d.Rows) {
		return nil, false, fmt.Errorf("the delta has %d resized tensors, of which %d are tables of the model", len(d.Rows), resized)
	}
	if reflect.DeepEqual(arch, b.arch) {
		return b.arch, true, nil
	}
	return arch, false, nil
}

// firstDifference says in which parameter two models of other layouts differ first.
func firstDifference(own, base models.Architecture) string {
	names := map[string]bool{}
	for _, p := range base.Parameters() {
		names[p.Name] = true
	}
	for _, p := range own.Parameters() {
		if !names[p.Name] {
			return "it has " + p.Name + ", which the base does not have"
		}
		delete(names, p.Name)
	}
	for _, p := range base.Parameters() {
		if names[p.Name] {
			return "the base has " + p.Name + ", which it does not have"
		}
	}
	return "names of tensors begin with " + own.Prefix() + " instead of " + base.Prefix()
}
