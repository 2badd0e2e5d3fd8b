// Package tiny makes small BERT classifiers with random weights, for tests:
// Hugging Face folders of a base and of checkpoints tuned from it.
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

// Words are the base's vocabulary beside the special tokens: any text of them
// is tokenised into one token a word.
var Words = strings.Fields("what who where when how is the a card not arrived good bad film city river name of in at")

var specials = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}

func config(architecture string, labels []string) map[string]any {
	c := map[string]any{
		"architectures": []string{architecture}, "model_type": "bert",
		"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
		"vocab_size": len(specials) + len(Words), "max_position_embeddings": 32, "type_vocab_size": 2,
		"hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
	}
	if labels != nil {
		id2label := map[string]string{}
		for i, l := range labels {
			id2label[fmt.Sprint(i)] = l
		}
		c["id2label"] = id2label
		c["problem_type"] = "single_label_classification"
	}
	return c
}

// WriteBase writes a base to dir.
func WriteBase(dir string, seed uint64) error {
	c := config("BertModel", nil)
	arch, err := write(dir, c)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	var entries []safetensors.Entry
	for _, p := range arch.Parameters() {
		values := make([]float32, length(p.Shape))
		for i := range values {
			values[i] = float32(rng.NormFloat64() * 0.1)
		}
		if strings.HasSuffix(p.Name, "LayerNorm.weight") {
			for i := range values {
				values[i]++
			}
		}
		entries = append(entries, entry(p.Name, p.Shape, values))
	}
	return safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), nil, entries)
}

// WriteTuned writes a checkpoint to dir that is tuned from the base in baseDir:
// every weight moved a little, but for the embeddings of every third word, as
// training leaves those of words it does not see.
func WriteTuned(dir, baseDir string, labels []string, seed uint64) error {
	arch, err := write(dir, config("BertForSequenceClassification", labels))
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
			return fmt.Errorf("tiny: the base lacks %s", p.Name)
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
		values := make([]float32, length(p.Shape))
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		entries = append(entries, entry(p.Name, p.Shape, values))
	}
	return safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), map[string]string{"format": "pt"}, entries)
}

// write writes all of a folder but the weights.
func write(dir string, c map[string]any) (models.Architecture, error) {
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

func length(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func entry(name string, shape []int, values []float32) safetensors.Entry {
	return (&safetensors.Tensor{Name: name, DType: safetensors.F32, Shape: shape, Data: safetensors.Bytes(values)}).Entry()
}
