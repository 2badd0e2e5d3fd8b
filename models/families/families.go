// Package families is the list of the architectures that can be served. Adding
// one means adding a line here.
package families

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kenserve/models"
	"kenserve/models/bert"
)

// ErrUnknown is wrapped by the error for a configuration of a family that is
// not in the list.
var ErrUnknown = errors.New("unknown model_type")

var families = map[string]func(*models.Config) (models.Architecture, error){
	bert.ModelType: bert.New,
}

// New returns the architecture that a configuration describes.
func New(c *models.Config) (models.Architecture, error) {
	build, ok := families[c.ModelType]
	if !ok {
		return nil, fmt.Errorf("models: %w %q, known are: %s", ErrUnknown, c.ModelType, strings.Join(Names(), ", "))
	}
	return build(c)
}

// Names returns the known families in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
