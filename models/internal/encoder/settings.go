package encoder

import (
	"fmt"

	"kenserve/models"
)

// Settings are the members that the configurations of BERT and its relatives
// share, if they change the result of a classifier.
type Settings struct {
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

// DefaultSettings returns the defaults of transformers: the sizes of BERT-base.
func DefaultSettings() Settings {
	return Settings{
		VocabSize: 30522, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12,
		PositionEmbeddingType: "absolute",
	}
}

// RefusedSettings are configuration members that Model refuses; see
// models.Family.
var RefusedSettings = []string{
	`"position_embedding_type":"relative_key"`,
	`"position_embedding_type":"relative_key_query"`,
	`"is_decoder":true`,
	`"add_cross_attention":true`,
	`"pruned_heads":{"0":[1]}`,
	`"hidden_act":"silu"`,
	`"type_vocab_size":0`,
}

// Model returns the classifier that the settings describe, with the family's head
// and prefix. It returns an error for settings that are not implemented.
func (s *Settings) Model(prefix string, head Head) (Model, error) {
	var m Model
	switch {
	case s.PositionEmbeddingType != "absolute":
		return m, fmt.Errorf("position_embedding_type is %q; only absolute is implemented", s.PositionEmbeddingType)
	case s.IsDecoder:
		return m, fmt.Errorf("is_decoder is true; only encoders are implemented")
	case s.AddCrossAttention:
		return m, fmt.Errorf("add_cross_attention is true; cross-attention is not implemented")
	case len(s.PrunedHeads) > 0:
		return m, fmt.Errorf("pruned_heads lists heads of %d layers; layers without some of their heads are not implemented", len(s.PrunedHeads))
	}
	if err := models.CheckSize("type_vocab_size", s.TypeVocabSize, MaxEntries); err != nil {
		return m, err
	}
	act, err := models.ParseActivation(s.HiddenAct)
	if err != nil {
		return m, fmt.Errorf("hidden_act: %w", err)
	}
	return Model{
		Embeddings: Embeddings{
			Vocabulary: s.VocabSize, Positions: s.MaxPositionEmbeddings, Types: s.TypeVocabSize, Width: s.HiddenSize,
		},
		Encoder: Config{
			Layers: s.NumHiddenLayers, Hidden: s.HiddenSize, Heads: s.NumAttentionHeads,
			Intermediate: s.IntermediateSize, Activation: act, Eps: float32(s.LayerNormEps),
		},
		Names:  BERT,
		Head:   head,
		Prefix: prefix,
	}, nil
}
