// Package electra is ELECTRA for sequence classification (Clark et al., 2020),
// as Hugging Face's ElectraForSequenceClassification computes it: a BERT without a
// pooler. Its embeddings may be narrower than its encoder, with a dense layer
// between. Its head is a dense layer with GELU on the first token and a dense
// classifier.
package electra

import (
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is ELECTRA.
var Family = models.Family{
	ModelType: "electra", Class: "ElectraForSequenceClassification", Build: build,
	Table: slices.Concat(encoder.Table, settings.Harmless(models.OtherTask,
		"summary_type", "summary_use_proj", "summary_activation", "summary_first_dropout", "summary_last_dropout", "summary_proj_to_labels")),
	Refuses: encoder.RefusedSettings,
}

func build(c *models.Config) (models.Architecture, error) {
	s := struct {
		encoder.Settings
		EmbeddingSize int `json:"embedding_size"`
	}{encoder.DefaultSettings(), 128}
	s.HiddenSize, s.NumAttentionHeads, s.IntermediateSize = 256, 4, 1024
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	// The head uses GELU for any hidden_act.
	m, err := s.Model("electra.", encoder.Head{First: "classifier.dense", Out: "classifier.out_proj", Activation: nn.GELU, DropInput: true})
	if err != nil {
		return nil, err
	}
	m.Embeddings.Width = s.EmbeddingSize
	return m.Architecture()
}
