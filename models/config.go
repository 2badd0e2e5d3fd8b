package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ConfigFile is the name of a Hugging Face folder's configuration.
const ConfigFile = "config.json"

// maxConfig bounds a configuration, in bytes; labels are most of a large one.
const maxConfig = 16 << 20

// Config is what all families have in common in a Hugging Face configuration.
// A family reads the rest with Decode.
type Config struct {
	ModelType     string   // the family, such as "bert"
	Architectures []string // the classes that the checkpoint was saved from
	Labels        []string // by index; LABEL_0, LABEL_1 where the file has none
	Problem       Problem

	text []byte
}

// ReadConfig reads config.json of a Hugging Face folder.
func ReadConfig(dir string) (*Config, error) {
	path := filepath.Join(dir, ConfigFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("models: read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("models: read configuration: %w", err)
	}
	c, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// ParseConfig reads the text of a config.json.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("models: configuration longer than %d bytes", maxConfig)
	}
	var file struct {
		ModelType     string            `json:"model_type"`
		Architectures []string          `json:"architectures"`
		ID2Label      map[string]string `json:"id2label"`
		NumLabels     *int              `json:"num_labels"`
		ProblemType   *string           `json:"problem_type"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("models: configuration: %w", err)
	}
	if file.ModelType == "" {
		return nil, errors.New("models: configuration without model_type")
	}
	c := &Config{ModelType: file.ModelType, Architectures: file.Architectures, text: text}
	var err error
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

// labels orders id2label by index. Hugging Face leaves the map out of the file
// if it is the default, LABEL_0 and LABEL_1.
func labels(id2label map[string]string, number *int) ([]string, error) {
	n := 2
	if number != nil {
		n = *number
	}
	if id2label == nil {
		if n < 1 || n > 1<<16 {
			return nil, fmt.Errorf("num_labels is %d", n)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = "LABEL_" + strconv.Itoa(i)
		}
		return names, nil
	}
	if number != nil && n != len(id2label) {
		return nil, fmt.Errorf("num_labels is %d, id2label has %d", n, len(id2label))
	}
	if len(id2label) == 0 {
		return nil, errors.New("id2label is empty")
	}
	names := make([]string, len(id2label))
	for i := range names {
		name, ok := id2label[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels, but none for %d", len(id2label), i)
		}
		names[i] = name
	}
	return names, nil
}

// Decode reads the configuration into a family's own struct with JSON tags.
// Fields that the file lacks keep their values, so v is filled with the
// family's defaults before. The error lacks the package's name, which
// NewFamily adds.
func (c *Config) Decode(v any) error {
	if err := json.Unmarshal(c.text, v); err != nil {
		return err
	}
	return nil
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
	return fmt.Errorf("models: a checkpoint of %s is not a sequence classifier", strings.Join(c.Architectures, ", "))
}
