package disentangled

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/encoder"
)

// Settings are the members that the configurations of both generations share, if
// they change the result of a classifier.
type Settings struct {
	VocabSize             int            `json:"vocab_size"`
	EmbeddingSize         *int           `json:"embedding_size"`
	HiddenSize            int            `json:"hidden_size"`
	NumHiddenLayers       int            `json:"num_hidden_layers"`
	NumAttentionHeads     int            `json:"num_attention_heads"`
	IntermediateSize      int            `json:"intermediate_size"`
	HiddenAct             string         `json:"hidden_act"`
	MaxPositionEmbeddings int            `json:"max_position_embeddings"`
	TypeVocabSize         int            `json:"type_vocab_size"`
	LayerNormEps          float64        `json:"layer_norm_eps"`
	RelativeAttention     bool           `json:"relative_attention"`
	MaxRelativePositions  int            `json:"max_relative_positions"`
	PositionBiasedInput   bool           `json:"position_biased_input"`
	PosAttType            attentionTerms `json:"pos_att_type"`
	PoolerHiddenSize      *int           `json:"pooler_hidden_size"`
	PoolerHiddenAct       string         `json:"pooler_hidden_act"`
}

// DefaultSettings returns the defaults of transformers that both generations
// share.
func DefaultSettings() Settings {
	return Settings{
		HiddenAct: "gelu", MaxPositionEmbeddings: 512, LayerNormEps: 1e-7,
		MaxRelativePositions: -1, PositionBiasedInput: true, PoolerHiddenAct: "gelu",
	}
}

// attentionTerms is pos_att_type: a list, or one string of names separated by
// bars.
type attentionTerms []string

func (t *attentionTerms) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	var names string
	if json.Unmarshal(text, &names) != nil {
		return json.Unmarshal(text, (*[]string)(t))
	}
	for name := range strings.SplitSeq(strings.ToLower(names), "|") {
		*t = append(*t, strings.TrimSpace(name))
	}
	return nil
}

// Table are the settings of both generations that Settings do not decode.
var Table = settings.Table(slices.Concat(
	settings.Harmless(models.TrainingOnly, "hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout", "cls_dropout"),
	settings.Harmless(models.OtherTask, "legacy"),
	settings.Harmless(models.ReadByNothing, "padding_idx"),
	[]settings.Setting{encoder.PositionEmbeddingType},
))

// RefusedSettings are fields of a configuration that Settings refuse; see
// models.Family.
var RefusedSettings = []string{
	`"relative_attention":false`,
	`"relative_attention":true,"pos_att_type":["p2p"]`,
	`"relative_attention":true,"pos_att_type":["c2p","c2p"]`,
	`"relative_attention":true,"pos_att_type":null`,
	`"relative_attention":true,"pos_att_type":["c2p"],"hidden_act":"silu"`,
	`"relative_attention":true,"pos_att_type":["c2p"],"pooler_hidden_act":"mish"`,
	`"relative_attention":true,"pos_att_type":["c2p"],"pooler_hidden_size":5`,
	`"relative_attention":true,"pos_att_type":["c2p"],"type_vocab_size":-1`,
}

// Model returns the classifier that the settings describe. Each distance has its
// own row of the distance table.
func (s *Settings) Model(layout Layout) (Model, error) {
	var m Model
	if !s.RelativeAttention {
		return m, fmt.Errorf("relative_attention is false; only disentangled attention is implemented")
	}
	for _, term := range s.PosAttType {
		seen := &m.contentToPosition
		switch term {
		case "c2p":
		case "p2c":
			seen = &m.positionToContent
		default:
			return m, fmt.Errorf("pos_att_type has %q; only c2p and p2c are implemented", term)
		}
		if *seen {
			return m, fmt.Errorf("pos_att_type has %q twice", term)
		}
		*seen = true
	}
	if len(s.PosAttType) == 0 {
		return m, fmt.Errorf("pos_att_type is empty, want c2p or p2c or both")
	}
	if s.PoolerHiddenSize != nil && *s.PoolerHiddenSize != s.HiddenSize {
		return m, fmt.Errorf("pooler_hidden_size is %d, but hidden_size is %d; they must be equal", *s.PoolerHiddenSize, s.HiddenSize)
	}
	if s.TypeVocabSize < 0 || s.TypeVocabSize > encoder.MaxEntries {
		return m, fmt.Errorf("type_vocab_size is %d, want 0 to %d", s.TypeVocabSize, encoder.MaxEntries)
	}
	act, err := models.ParseActivation(s.HiddenAct)
	if err != nil {
		return m, fmt.Errorf("hidden_act: %w", err)
	}
	pooler, err := models.ParseActivation(s.PoolerHiddenAct)
	if err != nil {
		return m, fmt.Errorf("pooler_hidden_act: %w", err)
	}
	m.vocabulary, m.types, m.width, m.tokens = s.VocabSize, s.TypeVocabSize, s.HiddenSize, s.MaxPositionEmbeddings
	if s.EmbeddingSize != nil {
		m.width = *s.EmbeddingSize
	}
	if s.PositionBiasedInput {
		m.positions = s.MaxPositionEmbeddings
	}
	m.encoder = encoder.Config{
		Layers: s.NumHiddenLayers, Hidden: s.HiddenSize, Heads: s.NumAttentionHeads,
		Intermediate: s.IntermediateSize, Activation: act, Eps: float32(s.LayerNormEps),
	}
	m.layout = layout
	m.MaxDistance = s.MaxRelativePositions
	if m.MaxDistance < 1 {
		m.MaxDistance = s.MaxPositionEmbeddings
	}
	if m.MaxDistance > encoder.MaxEntries/2 {
		return m, fmt.Errorf("max_relative_positions is %d, want at most %d", m.MaxDistance, encoder.MaxEntries/2)
	}
	m.Distances = 2 * m.MaxDistance
	// The pooler is not pre-trained; only classifiers have it.
	m.head = encoder.Head{First: "pooler.dense", Out: "classifier", Activation: pooler}
	return m, nil
}
