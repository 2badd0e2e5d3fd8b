package models

import (
	"fmt"
	"maps"
	"slices"

	"kenserve/internal/settings"
)

// Family is a kind of architecture: an entry of package families.
type Family struct {
	ModelType string // model_type of its configurations
	Class     string // Hugging Face's class of its classifiers
	// Build reads a configuration with Config.Decode and returns the model that it
	// describes. Its errors lack the package's name.
	Build func(*Config) (Architecture, error)
	// Table are the settings of the family that Build does not decode: those that
	// change nothing, and those that are refused. CommonSettings come after it.
	Table settings.Table
	// Aliases are other names of settings: Aliases[other] is the name that Build
	// decodes. The other name counts if both are there, as in transformers 4.57 and
	// 5.24, unless its value is null.
	Aliases map[string]string
	// Refuses lists examples of values, as JSON, that Build refuses because they are
	// not implemented. Documentation and tests go through them.
	Refuses []string
}

// New returns the architecture that a configuration describes, and sets the
// configuration's Unknown. It refuses settings with which Hugging Face computes
// something that is not implemented: its tables refuse a setting, or Build fails.
func (f Family) New(c *Config) (Architecture, error) {
	own := *c
	own.members, own.used = maps.Clone(c.members), maps.Clone(c.used)
	for _, other := range slices.Sorted(maps.Keys(f.Aliases)) {
		own.used[other] = true
		if value, ok := own.members[other]; ok && string(value) != "null" {
			own.members[f.Aliases[other]] = value
		}
	}
	unknown, err := settings.Check(own.members, f.Table, CommonSettings)
	var a Architecture
	if err == nil {
		a, err = f.Build(&own)
	}
	if err != nil {
		return nil, fmt.Errorf("models: %s configuration: %w", f.ModelType, err)
	}
	unknown = slices.DeleteFunc(unknown, func(name string) bool { return own.used[name] })
	c.Unknown = settings.Unknown{File: ConfigFile, Names: unknown}
	return a, nil
}

// Settings returns the whole table of the family, sorted by name: the settings that
// Build decodes, Table, and CommonSettings.
func (f Family) Settings() settings.Table {
	probe := &Config{ModelType: f.ModelType, used: map[string]bool{}}
	_, _ = f.Build(probe) // whether the defaults are refused does not matter
	var all settings.Table
	add := func(s settings.Setting) {
		if _, ok := all.Find(s.Name); !ok {
			all = append(all, s)
		}
	}
	for name := range probe.used {
		add(settings.Used(name))
	}
	for other := range f.Aliases {
		add(settings.Used(other))
	}
	for _, s := range slices.Concat(f.Table, CommonSettings) {
		add(s)
	}
	slices.SortFunc(all, func(a, b settings.Setting) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// CheckSize returns an error unless a configuration's value is from 1 to most.
func CheckSize(name string, value, maximum int) error {
	if value < 1 || value > maximum {
		return fmt.Errorf("%s is %d, want 1 to %d", name, value, maximum)
	}
	return nil
}
