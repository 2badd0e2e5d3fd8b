package encoder

import (
	"fmt"
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
)

// Settings are the members that the configurations of BERT and its relatives
// share, if they change the result of a classifier.
type Settings struct {
	VocabSize             int     `json:"vocab_size"`
	HiddenSize            int     `json:"hidden_size"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	IntermediateSize      int     `json:"intermediate_size"`
	HiddenAct             string  `json:"hidden_act"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	TypeVocabSize         int     `json:"type_vocab_size"`
	LayerNormEps          float64 `json:"layer_norm_eps"`
}

// DefaultSettings returns the defaults of transformers: the sizes of BERT-base.
func DefaultSettings() Settings {
	return Settings{
		VocabSize: 30522, HiddenSize: 768, NumHiddenLayers: 12, NumAttentionHeads: 12, IntermediateSize: 3072,
		HiddenAct: "gelu", MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12,
	}
}

// PositionEmbeddingType is refused but for absolute positions: transformers 5 ignores
// it, transformers 4 computes other scores.
var PositionEmbeddingType = settings.Refused("position_embedding_type", "only absolute positions are implemented", `"absolute"`)

// Table are the settings of BERT and its relatives that Settings do not decode.
var Table = settings.Table(slices.Concat(
	[]settings.Setting{PositionEmbeddingType},
	settings.Harmless(models.TrainingOnly, "hidden_dropout_prob", "attention_probs_dropout_prob"),
	// Converted from Google's checkpoints.
	settings.Harmless(models.ReadByNothing, "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type"),
))

// RefusedSettings are fields of a configuration that Settings refuse; see
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
	if err := models.CheckSize("type_vocab_size", s.TypeVocabSize, MaxEntries); err != nil {
		return m, err
	}
	act, err := models.ParseActivation(s.HiddenAct)
	if err != nil {
		return m, fmt.Errorf("hidden_act: %w", err)
	}
	return Model{
		Embeddings: Embeddings{
			Vocabulary: s.VocabSize, Positions: s.MaxPositionEmbeddings, tokenTypes: s.TypeVocabSize, Width: s.HiddenSize,
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
