// Package tiny makes small classifiers of every family with random weights, for
// tests: Hugging Face folders of a base and of checkpoints tuned from it. All
// have the same WordPiece vocabulary.
package tiny

import (
	"encoding/json"
	"fmt"
	"maps"
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

// sizes are the families' configurations, beside what all have.
var sizes = map[string]map[string]any{
	"bert": bertSizes,
	"bloom": {
		"hidden_size": 24, "n_layer": 2, "n_head": 3, "pad_token_id": 0, "seq_length": maxTokens,
	},
	"deberta": {
		"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
		"max_position_embeddings": maxTokens, "relative_attention": true, "pos_att_type": []string{"c2p", "p2c"},
		"position_biased_input": false,
	},
	"deberta-v2": {
		"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
		"max_position_embeddings": maxTokens, "relative_attention": true, "pos_att_type": []string{"p2c", "c2p"},
		"position_biased_input": false, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": true,
		"conv_kernel_size": 3, "conv_act": "gelu",
	},
	"distilbert": {
		"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": maxTokens,
	},
	"electra": with(bertSizes, map[string]any{"embedding_size": 16}),
	"ernie":   with(bertSizes, map[string]any{"use_task_id": true, "task_type_vocab_size": 3}),
	"modernbert": {
		"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 20,
		"max_position_embeddings": maxTokens, "local_attention": 8, "global_attn_every_n_layers": 2,
	},
	"roberta":     with(bertSizes, map[string]any{"max_position_embeddings": maxTokens + 1}),
	"xlm-roberta": with(bertSizes, map[string]any{"max_position_embeddings": maxTokens + 1}),
}

const maxTokens = 32

var bertSizes = map[string]any{
	"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
	"max_position_embeddings": maxTokens, "type_vocab_size": 2,
	"hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
}

func with(sizes, more map[string]any) map[string]any {
	all := maps.Clone(sizes)
	maps.Copy(all, more)
	return all
}

// family returns the entry of the families' list.
func family(modelType string) (models.Family, error) {
	for _, f := range families.All {
		if f.ModelType == modelType && sizes[modelType] != nil {
			return f, nil
		}
	}
	return models.Family{}, fmt.Errorf("tiny: no sizes of model_type %q", modelType)
}

// WriteBase writes a BERT to dir.
func WriteBase(dir string, seed uint64) error { return WriteFamily(dir, "bert", seed) }

// WriteSized writes a BERT to dir with sizes of its own: values of config.json.
func WriteSized(dir string, sizes map[string]any, seed uint64) error {
	return writeBase(dir, "bert", with(bertSizes, sizes), seed)
}

// WriteFamily writes a base of any family to dir. All but BERT have more than
// the encoder, as published ones do: output embeddings tied to those of words.
func WriteFamily(dir, modelType string, seed uint64) error {
	return writeBase(dir, modelType, sizes[modelType], seed)
}

func writeBase(dir, modelType string, sizes map[string]any, seed uint64) error {
	f, err := family(modelType)
	if err != nil {
		return err
	}
	class := strings.Replace(f.Class, "ForSequenceClassification", "Model", 1)
	arch, err := write(dir, with(sizes, map[string]any{
		"architectures": []string{class}, "model_type": modelType, "vocab_size": len(specials) + len(Words),
	}))
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
		if isNorm(p.Name) {
			for i := range values {
				values[i]++
			}
		}
		entries = append(entries, entry(p.Name, p.Shape, values))
		if len(entries) == 1 && modelType != "bert" { // the words, of every family
			entries = append(entries, entry("lm_head.weight", p.Shape, values))
		}
	}
	return safetensors.WriteFile(filepath.Join(dir, safetensors.WeightsFile), nil, entries)
}

// isNorm tells whether a parameter is a layer norm's gamma.
func isNorm(name string) bool {
	name, ok := strings.CutSuffix(strings.ToLower(name), ".weight")
	return ok && (strings.HasSuffix(name, "norm") || strings.HasSuffix(name, "ln_f"))
}

// WriteTuned writes a checkpoint to dir that is tuned from the base in baseDir:
// every weight moved a little, but for the embeddings of every third word, as
// training leaves those of words it does not see.
func WriteTuned(dir, baseDir string, labels []string, seed uint64) error {
	c, err := models.ReadConfig(baseDir)
	if err != nil {
		return err
	}
	f, err := family(c.ModelType)
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

// writeTunedConfig writes all of a tuned checkpoint's folder but the weights: the
// base's configuration with a class and labels.
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
	return write(dir, c)
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
