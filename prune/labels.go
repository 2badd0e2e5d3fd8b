package prune

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"kenserve/models"
)

// noteLabels adds warnings about labels that are as transformers reads them, but are
// hardly what their author meant. text is the config.json that they come from.
func (s *Source) noteLabels(text []byte) {
	numbers := map[string]int{}
	for i, label := range s.config.Labels {
		if first, twice := numbers[label]; twice {
			s.Warnings = append(s.Warnings, fmt.Sprintf("labels %d and %d are both called %q: answers do not tell them apart", first, i, label))
			break
		}
		numbers[label] = i
	}
	var config struct {
		ID2Label json.RawMessage            `json:"id2label"`
		Label2ID map[string]json.RawMessage `json:"label2id"`
	}
	if json.Unmarshal(text, &config) != nil { // an odd label2id, which nothing reads
		return
	}
	for _, name := range slices.Sorted(maps.Keys(config.Label2ID)) {
		var number int
		if json.Unmarshal(config.Label2ID[name], &number) != nil {
			continue
		}
		if own, ok := numbers[name]; ok && own == number || name == fmt.Sprintf("LABEL_%d", number) {
			continue
		}
		reason := fmt.Sprintf("id2label calls it %q", labelAt(s.config.Labels, number))
		if len(config.ID2Label) == 0 || string(config.ID2Label) == "null" {
			reason = fmt.Sprintf("there is no id2label, so that label %d is called %q", number, labelAt(s.config.Labels, number))
		}
		s.Warnings = append(s.Warnings, fmt.Sprintf("label2id of %s calls label %d %q, but %s, as in transformers; mend id2label if label2id is right", models.ConfigFile, number, name, reason))
		return
	}
}

func labelAt(labels []string, number int) string {
	if number < 0 || number >= len(labels) {
		return ""
	}
	return labels[number]
}
