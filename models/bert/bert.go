// Package bert is BERT for sequence classification (Devlin et al., 2018), as
// Hugging Face's BertForSequenceClassification computes it: the sum of word,
// position and token type embeddings, a layer norm, the encoder, a dense layer
// with tanh on the first token (the pooler), and a dense classifier. MiniLM and
// other models with this network have the model type bert, too.
package bert

import (
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is BERT.
var Family = models.Family{
	ModelType: "bert", Class: "BertForSequenceClassification", Build: build,
	Table: encoder.Table, Refuses: encoder.RefusedSettings,
}

// head is the pooler, which is pre-trained, and the classifier.
var head = encoder.Head{First: "pooler.dense", Out: "classifier", Activation: nn.Tanh, Pooler: true}

func build(c *models.Config) (models.Architecture, error) {
	s := encoder.DefaultSettings()
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	m, err := s.Model("bert.", head)
	if err != nil {
		return nil, err
	}
	return m.Architecture()
}
