// Package ernie is ERNIE for sequence classification (Sun et al., 2020), as
// Hugging Face's ErnieForSequenceClassification computes it: a BERT that may
// add a task type embedding to each token. For a classifier, it is always the
// embedding of task 0.
package ernie

import (
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is ERNIE.
var Family = models.Family{
	ModelType: "ernie", Class: "ErnieForSequenceClassification", Build: build,
	Table:   encoder.Table,
	Refuses: append([]string{`"use_task_id":true,"task_type_vocab_size":0`}, encoder.RefusedSettings...),
}

func build(c *models.Config) (models.Architecture, error) {
	s := struct {
		encoder.Settings
		TaskTypeVocabSize int  `json:"task_type_vocab_size"`
		UseTaskID         bool `json:"use_task_id"`
	}{encoder.DefaultSettings(), 3, false}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	m, err := s.Model("ernie.", encoder.Head{First: "pooler.dense", Out: "classifier", Activation: nn.Tanh, Pooler: true})
	if err != nil {
		return nil, err
	}
	if s.UseTaskID {
		if err := models.CheckSize("task_type_vocab_size", s.TaskTypeVocabSize, encoder.MaxEntries); err != nil {
			return nil, err
		}
		m.Embeddings.Tasks = s.TaskTypeVocabSize
	}
	return m.Architecture()
}
