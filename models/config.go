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

	text []byte // the file
}

// ReadConfig reads config.json in a Hugging Face folder.
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

// ParseConfig reads the contents of a config.json.
func ParseConfig(text []byte) (*Config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("models: the configuration is longer than %d bytes", maxConfig)
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
		return nil, errors.New("models: configuration: member \"model_type\" is missing")
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

// labels returns the labels of id2label, ordered by index. transformers omits
// id2label from the file if it is the default: LABEL_0 and LABEL_1. number is
// num_labels, or nil.
func labels(id2label map[string]string, number *int) ([]string, error) {
	n := 2
	if number != nil {
		n = *number
	}
	if id2label == nil {
		if n < 1 || n > 1<<16 {
			return nil, fmt.Errorf("num_labels is %d, want 1 to %d", n, 1<<16)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = "LABEL_" + strconv.Itoa(i)
		}
		return names, nil
	}
	if number != nil && n != len(id2label) {
		return nil, fmt.Errorf("num_labels is %d, but id2label has %d labels", n, len(id2label))
	}
	if len(id2label) == 0 {
		return nil, errors.New("id2label is empty: a classifier needs at least one label")
	}
	names := make([]string, len(id2label))
	for i := range names {
		name, ok := id2label[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("id2label has %d labels, but none for index %d; indices must be consecutive from 0", len(id2label), i)
		}
		names[i] = name
	}
	return names, nil
}

// Decode decodes the configuration into a family's own struct with JSON tags. A
// member that is missing leaves its field unchanged, so the caller fills v with
// the family's defaults first. NewFamily adds the context to the error.
func (c *Config) Decode(v any) error {
	if err := json.Unmarshal(c.text, v); err != nil {
		return err
	}
	return nil
}

// CheckClassifier returns an error unless the configuration belongs to a
// sequence classifier. A checkpoint for another purpose, such as token
// classification or question answering, can have a head with the same names and
// shapes.
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
