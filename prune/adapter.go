package prune

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kenserve/lora"
	"kenserve/models"
)

// adapterConfig returns the text of the config.json of the classifier that an adapter
// makes of its base: the file in the adapter's folder or, if there is none or labels are
// given, the base's with the labels in it.
func adapterConfig(c Config, adapter *lora.Checkpoint) ([]byte, error) {
	if text, err := readConfig(c.TunedDir); err != nil || text != nil && c.Labels == nil {
		return text, err
	}
	text, err := readConfig(c.BaseDir)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, fmt.Errorf("prune: configuration of the adapter: neither %s nor %s has a %s", c.TunedDir, c.BaseDir, models.ConfigFile)
	}
	outputs := headOutputs(adapter)
	if outputs == 0 {
		return nil, errors.New("prune: the adapter has no head; train it with modules_to_save, or with task_type SEQ_CLS")
	}
	labels := c.Labels
	if labels == nil {
		for i := range outputs {
			labels = append(labels, "LABEL_"+strconv.Itoa(i))
		}
	}
	if len(labels) != outputs {
		return nil, &LabelsError{fmt.Sprintf("%d labels are given, but the adapter's head has %d outputs", len(labels), outputs)}
	}
	return classifierConfig(text, labels)
}

// classifierConfig turns the config.json of an encoder into that of a classifier with
// these labels: it sets id2label and label2id, and changes the class in architectures to
// the one for sequence classification.
func classifierConfig(encoder []byte, labels []string) ([]byte, error) {
	var config map[string]any
	if err := json.Unmarshal(encoder, &config); err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	byID, byLabel := map[string]string{}, map[string]int{}
	for i, label := range labels {
		byID[strconv.Itoa(i)], byLabel[label] = label, i
	}
	config["id2label"], config["label2id"] = byID, byLabel
	if list, ok := config["architectures"].([]any); ok && len(list) > 0 {
		if class, ok := list[0].(string); ok {
			for _, ending := range []string{"Model", "ForMaskedLM", "ForPreTraining"} {
				if stem, ok := strings.CutSuffix(class, ending); ok {
					config["architectures"] = []string{stem + "ForSequenceClassification"}
					break
				}
			}
		}
	}
	return json.Marshal(config)
}

// headOutputs returns the number of outputs of the head's last layer, 0 if there is
// none. Hugging Face's models for sequence classification all use one of these names
// for it.
func headOutputs(adapter *lora.Checkpoint) int {
	for _, name := range []string{"classifier.out_proj.weight", "classifier.weight", "score.weight"} {
		t, ok := adapter.Tensor(name)
		if !ok {
			continue
		}
		if slices.Contains(t.Shape, 0) {
			return 0
		}
		outputs, _ := t.Rows()
		return outputs
	}
	return 0
}
