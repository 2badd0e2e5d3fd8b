package models

import "fmt"

// Family is a kind of architecture: an entry of package families.
type Family struct {
	ModelType string // model_type in config.json
	Class     string // name of the classifier class in Hugging Face's transformers
	New       func(*Config) (Architecture, error)
	// Refuses lists configuration members, as JSON, for which New returns an
	// error, because transformers then computes something that is not
	// implemented. Documentation and tests use the list.
	Refuses []string
}

// CheckSize returns an error unless the value of a configuration member is from
// 1 to maximum.
func CheckSize(name string, value, maximum int) error {
	if value < 1 || value > maximum {
		return fmt.Errorf("%s is %d, want 1 to %d", name, value, maximum)
	}
	return nil
}

// NewFamily returns a family. It adds the family's name to errors of build.
func NewFamily(modelType, class string, refuses []string, build func(*Config) (Architecture, error)) Family {
	return Family{
		ModelType: modelType, Class: class, Refuses: refuses,
		New: func(c *Config) (Architecture, error) {
			a, err := build(c)
			if err != nil {
				return nil, fmt.Errorf("models: %s configuration: %w", modelType, err)
			}
			return a, nil
		},
	}
}
