package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kenserve/internal/regular"
	"kenserve/internal/settings"
)

// ConfigFile is the name of the configuration file in a Hugging Face folder.
const ConfigFile = "config.json"

// maxConfig is the maximum size of a configuration in bytes. Large ones consist
// mostly of labels.
const maxConfig = 16 << 20

// Config is the part of a Hugging Face configuration that all families share. A
// family reads the rest with Decode.
type Config struct {
	ModelType     string   // the family, such as "bert"
	Architectures []string // the classes that the checkpoint was saved with
	Labels        []string // by index; LABEL_0, LABEL_1 if the file has none
	Problem       Problem
	// Unknown are the settings that no table has, so that nothing reads them.
	// Family.New fills it in.
	Unknown settings.Unknown

	members map[string]json.RawMessage
	used    map[string]bool // names that Decode looked for
}

// ReadConfig reads config.json in a Hugging Face folder.
func ReadConfig(dir string) (*Config, error) {
	path := filepath.Join(dir, ConfigFile)
	text, err := regular.Read(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("models: read configuration: %w", err)
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads the text of a config.json. Names of members are exact: encoding/json
// alone would take "Hidden_Size" for "hidden_size". If a name is there twice, the last
// counts, as for Python. A byte order mark at the beginning is skipped.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("models: the configuration is longer than %d bytes", maxConfig)
	}
	members, err := jsonMembers(text)
	if err != nil {
		return nil, fmt.Errorf("models: configuration: %w", err)
	}
	c := &Config{members: members, used: map[string]bool{}}
	var file struct {
		ModelType     *string                    `json:"model_type"`
		Architectures []string                   `json:"architectures"`
		ID2Label      map[string]json.RawMessage `json:"id2label"`
		NumLabels     *int                       `json:"num_labels"`
		ProblemType   *string                    `json:"problem_type"`
	}
	if err := c.Decode(&file); err != nil {
		return nil, fmt.Errorf("models: configuration: %w", err)
	}
	if file.ModelType == nil || *file.ModelType == "" {
		return nil, errors.New("models: configuration without model_type: add the name of the model's family, such as \"model_type\": \"bert\", or save the model again with a newer version of transformers")
	}
	c.ModelType, c.Architectures = *file.ModelType, file.Architectures
	if c.Labels, err = labels(file.ID2Label, file.NumLabels); err != nil {
		return nil, fmt.Errorf("models: configuration: %w", err)
	}
	problemType := ""
	if file.ProblemType != nil {
		problemType = *file.ProblemType
	}
	if c.Problem, err = ParseProblem(problemType, len(c.Labels)); err != nil {
		return nil, err
	}
	return c, nil
}

// CheckClassifier returns an error unless the configuration is that of a
// sequence classifier: a checkpoint for another purpose (tags for tokens,
// answers to questions) can have a head with the same names and shapes.
func (c *Config) CheckClassifier() error {
	if len(c.Architectures) == 0 {
		return nil
	}
	for _, a := range c.Architectures {
		if strings.HasSuffix(a, "ForSequenceClassification") {
			return nil
		}
	}
	return fmt.Errorf("models: a checkpoint of %s is not a sequence classifier; want one of a class that ends in ForSequenceClassification", strings.Join(c.Architectures, ", "))
}
