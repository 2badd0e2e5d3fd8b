// Package families lists the supported model families. A new family needs one
// line in All.
package families

import (
	"errors"
	"fmt"
	"strings"

	"kenserve/models"
	"kenserve/models/bert"
	"kenserve/models/bloom"
	"kenserve/models/deberta"
	"kenserve/models/debertav2"
	"kenserve/models/distilbert"
	"kenserve/models/electra"
	"kenserve/models/ernie"
	"kenserve/models/modernbert"
	"kenserve/models/roberta"
)

// ErrUnknown is wrapped by the error for a model_type that no family has.
var ErrUnknown = errors.New("unknown model_type")

// All lists the families, in alphabetical order of their model types.
var All = []models.Family{
	bert.Family,
	bloom.Family,
	deberta.Family,
	debertav2.Family,
	distilbert.Family,
	electra.Family,
	ernie.Family,
	modernbert.Family,
	roberta.Family,
	roberta.XLM,
}

// New returns the architecture that a configuration describes.
func New(c *models.Config) (models.Architecture, error) {
	for _, f := range All {
		if f.ModelType == c.ModelType {
			return f.New(c)
		}
	}
	return nil, fmt.Errorf("models: %w %q; supported are %s", ErrUnknown, c.ModelType, strings.Join(Names(), ", "))
}

// Names returns the supported model types in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(All))
	for _, f := range All {
		names = append(names, f.ModelType)
	}
	return names
}
