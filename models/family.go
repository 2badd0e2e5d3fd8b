package models

import "fmt"

// Family is one kind of architecture: an entry of package families.
type Family struct {
	ModelType string // model_type of its configurations
	Class     string // Hugging Face's class of its classifiers
	New       func(*Config) (Architecture, error)
	// Refuses lists fields of a configuration, as JSON, with which Hugging Face
	// computes something that is not implemented; New says so. The list is what
	// documentation and tests go through.
	Refuses []string
}

// CheckSize returns an error unless a configuration's value is from 1 to most.
func CheckSize(name string, value, maximum int) error {
	if value < 1 || value > maximum {
		return fmt.Errorf("%s is %d, want 1 to %d", name, value, maximum)
	}
	return nil
}

// NewFamily returns a family. Errors of build get the family's name.
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
