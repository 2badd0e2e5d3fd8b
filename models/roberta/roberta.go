// Package roberta is RoBERTa for sequence classification (Liu et al., 2019), as
// Hugging Face's RobertaForSequenceClassification computes it, and XLM-RoBERTa
// (Conneau et al., 2020), which is the same network with another vocabulary. It
// is a BERT with other positions and another head. Padding tokens have the
// padding token's id as their position; the other positions count from the next
// number. The head is a dense layer with tanh on the first token and a dense
// classifier. A base may have a pooler, which classifiers do not use.
package roberta

import (
	"fmt"

	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is RoBERTa.
var Family = models.Family{
	ModelType: "roberta", Class: "RobertaForSequenceClassification", Table: encoder.Table, Refuses: refuses,
	Build: func(c *models.Config) (models.Architecture, error) { return build(c, 50265) },
}

// XLM is XLM-RoBERTa.
var XLM = models.Family{
	ModelType: "xlm-roberta", Class: "XLMRobertaForSequenceClassification", Table: encoder.Table, Refuses: refuses,
	Build: func(c *models.Config) (models.Architecture, error) { return build(c, 30522) },
}

var refuses = append([]string{
	`"pad_token_id":null`,
	`"pad_token_id":511`,
}, encoder.RefusedSettings...)

// build reads a configuration. vocabulary is the default of vocab_size.
func build(c *models.Config, vocabulary int) (models.Architecture, error) {
	pad := 1
	s := struct {
		encoder.Settings
		PadTokenID *int `json:"pad_token_id"`
	}{encoder.DefaultSettings(), &pad}
	s.VocabSize = vocabulary
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	m, err := s.Model("roberta.", encoder.Head{First: "classifier.dense", Out: "classifier.out_proj", Activation: nn.Tanh, DropInput: true})
	if err != nil {
		return nil, err
	}
	if s.PadTokenID == nil {
		return nil, fmt.Errorf("pad_token_id is null, but positions count from it")
	}
	m.Embeddings.Pad, m.Embeddings.PadPositions = *s.PadTokenID, true
	if pad := *s.PadTokenID; pad < 0 || pad > s.MaxPositionEmbeddings-2 {
		return nil, fmt.Errorf("pad_token_id is %d, want 0 to %d: positions count from it up to max_position_embeddings", pad, s.MaxPositionEmbeddings-2)
	}
	return m.Architecture()
}
