package runtime

import (
	"fmt"
	"reflect"
	"slices"

	"kenserve/models"
	"kenserve/models/families"
)

// taskArchitecture returns the model that a tuned checkpoint's configuration
// describes: b.Arch itself if it computes the same, and then shared is true. Its parameters must be the base's, but settings without weights, such
// as how a classifier pools, are the task's own. A delta without a configuration
// has the base's model.
func (b *Base) taskArchitecture(config string) (arch models.Architecture, shared bool, err error) {
	if config == "" {
		return b.Arch, true, nil
	}
	c, err := models.ParseConfig([]byte(config))
	if err != nil {
		return nil, false, err
	}
	if arch, err = families.New(c); err != nil {
		return nil, false, err
	}
	same := func(p, q models.Parameter) bool {
		return p.Name == q.Name && p.Role == q.Role && slices.Equal(p.Shape, q.Shape)
	}
	switch {
	case arch.Prefix() != b.Arch.Prefix() || !slices.EqualFunc(arch.Parameters(), b.parameters, same):
		return nil, false, fmt.Errorf("the delta's configuration (%s) describes another model than the base's (%s)", c.ModelType, b.config.ModelType)
	case arch.MaxTokens() < b.Arch.MaxTokens():
		return nil, false, fmt.Errorf("the model takes %d tokens by the delta's configuration, and %d by the base's", arch.MaxTokens(), b.Arch.MaxTokens())
	case reflect.DeepEqual(arch, b.Arch):
		return b.Arch, true, nil
	}
	return arch, false, nil
}
