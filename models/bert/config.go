package bert

import (
	"fmt"

	"kenserve/models"
	"kenserve/models/encoder"
)

// config is what a config.json says about a BERT, as far as it changes what a
// classifier computes.
type config struct {
	VocabSize             int              `json:"vocab_size"`
	HiddenSize            int              `json:"hidden_size"`
	NumHiddenLayers       int              `json:"num_hidden_layers"`
	NumAttentionHeads     int              `json:"num_attention_heads"`
	IntermediateSize      int              `json:"intermediate_size"`
	HiddenAct             string           `json:"hidden_act"`
	MaxPositionEmbeddings int              `json:"max_position_embeddings"`
	TypeVocabSize         int              `json:"type_vocab_size"`
	LayerNormEps          float64          `json:"layer_norm_eps"`
	PositionEmbeddingType string           `json:"position_embedding_type"`
	IsDecoder             bool             `json:"is_decoder"`
	AddCrossAttention     bool             `json:"add_cross_attention"`
	PrunedHeads           map[string][]int `json:"pruned_heads"`
}

// maxEntries bounds the embedding tables, far above any published vocabulary.
const maxEntries = 1 << 24

// New reads a BERT's structure from its configuration. Values that the file
// lacks are Hugging Face's defaults. A configuration that would compute
// something else than this package does is refused.
func New(c *models.Config) (models.Architecture, error) {
	f := config{
		VocabSize: 30522, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12,
		PositionEmbeddingType: "absolute",
	}
	if err := c.Decode(&f); err != nil {
		return nil, err
	}
	a, err := f.architecture()
	if err != nil {
		return nil, fmt.Errorf("bert: configuration: %w", err)
	}
	return a, nil
}

func (f *config) architecture() (*architecture, error) {
	switch {
	case f.PositionEmbeddingType != "absolute":
		return nil, fmt.Errorf("position_embedding_type is %q, only absolute is implemented", f.PositionEmbeddingType)
	case f.IsDecoder:
		return nil, fmt.Errorf("is_decoder is true: a decoder is not a BERT encoder")
	case f.AddCrossAttention:
		return nil, fmt.Errorf("add_cross_attention is true: there is nothing to attend to")
	case len(f.PrunedHeads) > 0:
		return nil, fmt.Errorf("pruned_heads names heads of %d layers: their weights have other shapes", len(f.PrunedHeads))
	}
	for _, s := range []struct {
		name  string
		value int
	}{
		{"vocab_size", f.VocabSize},
		{"max_position_embeddings", f.MaxPositionEmbeddings},
		{"type_vocab_size", f.TypeVocabSize},
	} {
		if s.value < 1 || s.value > maxEntries {
			return nil, fmt.Errorf("%s is %d, want 1 to %d", s.name, s.value, maxEntries)
		}
	}
	act, err := models.ParseActivation(f.HiddenAct)
	if err != nil {
		return nil, fmt.Errorf("hidden_act: %w", err)
	}
	a := &architecture{
		encoder: encoder.Config{
			Layers: f.NumHiddenLayers, Hidden: f.HiddenSize, Heads: f.NumAttentionHeads,
			Intermediate: f.IntermediateSize, Activation: act, Eps: float32(f.LayerNormEps),
		},
		limits: models.Limits{Vocabulary: f.VocabSize, Types: f.TypeVocabSize, Tokens: f.MaxPositionEmbeddings},
	}
	return a, a.encoder.Check()
}
