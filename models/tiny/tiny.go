// Package tiny writes small models of every family with random weights, for tests: Hugging
// Face folders with a base and with classifiers tuned from it. All have the same WordPiece
// vocabulary.
package tiny

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"kenserve/models"
	"kenserve/models/families"
	"kenserve/safetensors"
)

// Words is the vocabulary without the special tokens. A text of these words is tokenised into
// one token for each word.
var Words = strings.Fields("what who where when how is the a card not arrived good bad film city river name of in at")

var specials = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

// WriteBase writes a BERT base to dir.
func WriteBase(dir string, seed uint64) error { return WriteFamily(dir, "bert", seed) }

// WriteSized writes a BERT base to dir. sizes are values of config.json that replace the tiny
// ones.
func WriteSized(dir string, sizes map[string]any, seed uint64) error {
	return writeBase(dir, "bert", merged(bertSizes, sizes), seed)
}

// WriteFamily writes a base of any family to dir. Like published bases, all but BERT have more
// than the encoder: output embeddings tied to the word embeddings.
func WriteFamily(dir, modelType string, seed uint64) error {
	return writeBase(dir, modelType, sizes[modelType], seed)
}

// writeBase writes a base with the given sizes.
func writeBase(dir, modelType string, sizes map[string]any, seed uint64) error {
	f, err := familyOf(modelType)
	if err != nil {
		return err
	}
	class := strings.Replace(f.Class, "ForSequenceClassification", "Model", 1)
	arch, err := writeConfig(dir, merged(sizes, map[string]any{
		"architectures": []string{class}, "model_type": modelType, "vocab_size": len(specials) + len(Words),
	}))
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	var entries []safetensors.Entry
	for _, p := range arch.Parameters() {
		values := make([]float32, elements(p.Shape))
		for i := range values {
			values[i] = float32(rng.NormFloat64() * 0.1)
		}
		if isNorm(p.Name) {
			for i := range values {
				values[i]++
			}
		}
		entries = append(entries, entry(p.Name, p.Shape, values))
		if len(entries) == 1 && modelType != "bert" { // the word embeddings come first in every family
			entries = append(entries, entry("lm_head.weight", p.Shape, values))
		}
	}
	return safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), nil, entries)
}

// isNorm reports whether a parameter is the scale of a layer norm.
func isNorm(name string) bool {
	name, ok := strings.CutSuffix(strings.ToLower(name), ".weight")
	return ok && (strings.HasSuffix(name, "norm") || strings.HasSuffix(name, "ln_f"))
}

// WriteTuned writes a classifier to dir that is tuned from the base in baseDir: every weight is
// changed a little, except the embeddings of every third word, like those of words that
// training does not see.
func WriteTuned(dir, baseDir string, labels []string, seed uint64) error {
	c, err := models.ReadConfig(baseDir)
	if err != nil {
		return err
	}
	f, err := familyOf(c.ModelType)
	if err != nil {
		return err
	}
	arch, err := writeTunedConfig(dir, baseDir, f.Class, labels)
	if err != nil {
		return err
	}
	base, err := safetensors.OpenCheckpoint(baseDir)
	if err != nil {
		return err
	}
	defer base.Close()
	rng := rand.New(rand.NewPCG(seed, 1))
	var entries []safetensors.Entry
	for _, p := range arch.Parameters() {
		t, ok := base.Tensor(p.Name)
		if !ok {
			return fmt.Errorf("tiny: the base has no tensor %s", p.Name)
		}
		values := make([]float32, t.Len())
		if err := t.Float32s(values, 0); err != nil {
			return err
		}
		_, columns := t.Rows()
		for i := range values {
			if p.Role == models.Embedding && i/columns%3 == 2 {
				continue
			}
			values[i] += float32(rng.NormFloat64() * 0.05)
		}
		entries = append(entries, entry(arch.Prefix()+p.Name, p.Shape, values))
	}
	for _, p := range arch.Head(len(labels)) {
		values := make([]float32, elements(p.Shape))
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		entries = append(entries, entry(p.Name, p.Shape, values))
	}
	return safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), map[string]string{"format": "pt"}, entries)
}

// writeTunedConfig writes a tuned classifier's folder without the weights: the base's
// configuration with the classifier's class and labels.
func writeTunedConfig(dir, baseDir, class string, labels []string) (models.Architecture, error) {
	text, err := os.ReadFile(filepath.Join(baseDir, models.ConfigFile))
	if err != nil {
		return nil, err
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	c["architectures"] = []string{class}
	id2label := map[string]string{}
	for i, l := range labels {
		id2label[fmt.Sprint(i)] = l
	}
	c["id2label"] = id2label
	c["problem_type"] = "single_label_classification"
	return writeConfig(dir, c)
}

// writeConfig writes a folder without the weights: configuration and tokenizer. It returns the
// architecture of the configuration.
func writeConfig(dir string, c map[string]any) (models.Architecture, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		models.ConfigFile:       string(text),
		"vocab.txt":             strings.Join(append(append([]string(nil), specials...), Words...), "\n") + "\n",
		"tokenizer_config.json": `{"do_lower_case": true, "tokenizer_class": "BertTokenizer", "model_max_length": 32}`,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	parsed, err := models.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	return families.New(parsed)
}

// elements returns the number of elements of a shape.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// entry returns a float32 tensor to write.
func entry(name string, shape []int, values []float32) safetensors.Entry {
	return (&safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}).Entry()
}
