package prune

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kenserve/lora"
	"kenserve/models"
	"kenserve/safetensors"
)

// adapterConfig returns the config.json of the classifier that an adapter makes
// of its base: the one in the adapter's folder, or the base's with labels. These
// are the ones given, or LABEL_0, LABEL_1 … as many as the head has outputs.
func adapterConfig(baseDir, adapterDir string, labels []string, adapter *lora.Checkpoint) ([]byte, error) {
	if text, err := readConfig(adapterDir); err != nil || text != nil && labels == nil {
		return text, err
	}
	text, err := readConfig(baseDir)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, fmt.Errorf("prune: %s has no %s", baseDir, models.ConfigFile)
	}
	outputs := headOutputs(adapter)
	if outputs == 0 {
		return nil, fmt.Errorf("prune: the adapter has no head: train it with modules_to_save, or with the task type SEQ_CLS")
	}
	if labels == nil {
		for i := range outputs {
			labels = append(labels, "LABEL_"+strconv.Itoa(i))
		}
	}
	if len(labels) != outputs {
		return nil, &LabelsError{fmt.Sprintf("%d labels for a head of %d outputs", len(labels), outputs)}
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
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

// headOutputs returns how many outputs the last layer of the head has, which all
// of Hugging Face's models for sequence classification call by one of these
// names.
func headOutputs(adapter *lora.Checkpoint) int {
	for _, name := range []string{"classifier.out_proj.weight", "classifier.weight", "score.weight"} {
		if t, ok := adapter.Tensor(name); ok {
			return rowsOf(t)
		}
	}
	return 0
}

func rowsOf(t *safetensors.Tensor) int {
	if slices.Contains(t.Shape, 0) {
		return 0
	}
	rows, _ := t.Rows()
	return rows
}
