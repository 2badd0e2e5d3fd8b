package prune

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"kenserve/delta"
	"kenserve/models"
)

// Classifier returns the configuration of a classifier with these labels over the base in the
// folder baseDir, and the metadata of a delta that follow from it.
func Classifier(baseDir string, labels []string, problem models.Problem) (*models.Config, delta.Info, error) {
	info := delta.Info{BaseName: folderName(baseDir)}
	text, err := readConfig(baseDir)
	if err != nil {
		return nil, info, err
	}
	if text == nil {
		return nil, info, fmt.Errorf("prune: the base %s has no %s", baseDir, models.ConfigFile)
	}
	if text, err = classifierConfig(text, labels); err != nil {
		return nil, info, err
	}
	if text, err = replaceProblem(text, problem); err != nil {
		return nil, info, err
	}
	config, err := describeTask(text, &info)
	return config, info, err
}

// setProblem sets the problem type in the text of a config.json that has none. The error
// is a [ProblemError] if the text has another one.
func setProblem(text []byte, problem models.Problem) ([]byte, error) {
	if problem == "" {
		return text, nil
	}
	var config struct {
		Problem *string `json:"problem_type"`
	}
	if err := json.Unmarshal(text, &config); err == nil && config.Problem != nil && *config.Problem != string(problem) {
		return nil, &ProblemError{fmt.Sprintf("%s is given, but problem_type is %s in %s", problem, *config.Problem, models.ConfigFile)}
	}
	return replaceProblem(text, problem)
}

// replaceProblem sets the problem type in the text of a config.json, if one is given.
func replaceProblem(text []byte, problem models.Problem) ([]byte, error) {
	if problem == "" {
		return text, nil
	}
	return setMember(text, "problem_type", problem)
}

// setMember sets a member of a JSON object.
func setMember(text []byte, name string, value any) ([]byte, error) {
	var config map[string]json.RawMessage
	if err := json.Unmarshal(text, &config); err != nil {
		return text, nil // models.ParseConfig says what is wrong
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	config[name] = encoded
	return json.Marshal(config)
}

// classifierConfig turns the config.json of an encoder into that of a classifier with
// these labels: it sets id2label and label2id, and changes the class in architectures to
// the one for sequence classification.
func classifierConfig(encoder []byte, labels []string) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(encoder))
	decoder.UseNumber()
	var config map[string]any
	if err := decoder.Decode(&config); err != nil || config == nil {
		if _, err := models.ParseConfig(encoder); err != nil { // says in plain words what is wrong
			return nil, err
		}
		return nil, fmt.Errorf("prune: %s is not a JSON object", models.ConfigFile)
	}
	delete(config, "num_labels")
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
