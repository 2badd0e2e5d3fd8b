package prune

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kenserve/lora"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/runtime"
)

// adapterConfig returns the text of the config.json of the classifier that an adapter
// makes of its base: the file in the adapter's folder or, if there is none, the base's
// with the labels in it. It adds to s.Warnings what it assumed.
func (s *Source) adapterConfig(c Config, adapter *lora.Checkpoint) ([]byte, error) {
	text, err := readConfig(c.TunedDir)
	if err != nil {
		return nil, err
	}
	own := text != nil
	if !own {
		if text, err = readConfig(c.BaseDir); err != nil {
			return nil, err
		}
	}
	if text == nil {
		return nil, fmt.Errorf("prune: configuration of the adapter: neither %s nor %s has a %s", c.TunedDir, c.BaseDir, models.ConfigFile)
	}
	if !own || c.Labels != nil {
		labels, err := adapterLabels(c.Labels, headOutputs(adapter))
		if err != nil {
			return nil, err
		}
		if text, err = classifierConfig(text, labels); err != nil {
			return nil, err
		}
	}
	if !own {
		if text, err = resizedConfig(text, adapter); err != nil {
			return nil, err
		}
	}
	if own {
		text, err = setProblem(text, c.Problem)
	} else {
		text, err = replaceProblem(text, c.Problem)
	}
	if err != nil {
		return nil, err
	}
	return text, s.assume(c, text, own)
}

// isLinear tells whether the base's family is one that is served: all their matrices are
// torch.nn.Linear in transformers.
func isLinear(dir string) bool {
	config, err := models.ReadConfig(dir)
	return err == nil && slices.Contains(families.Names(), config.ModelType)
}

// isFolderOf tells whether a folder looks like that of a model, by its last name. In the
// cache of the Hugging Face Hub that is models--ORG--NAME/snapshots/REVISION.
func isFolderOf(dir, model string) bool {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	want := path.Base(filepath.ToSlash(model))
	for name := range strings.SplitSeq(filepath.ToSlash(dir), "/") {
		parts := strings.Split(name, "--")
		if parts[0] == "models" && strings.EqualFold(parts[len(parts)-1], want) {
			return true
		}
	}
	return strings.EqualFold(filepath.Base(dir), want)
}

// adapterLabels returns the labels of an adapter whose head has so many outputs. given
// may be nil.
func adapterLabels(given []string, outputs int) ([]string, error) {
	if outputs == 0 {
		return nil, errors.New("prune: the adapter has no head; train it with modules_to_save, or with task_type SEQ_CLS")
	}
	labels := given
	if labels == nil {
		for i := range outputs {
			labels = append(labels, "LABEL_"+strconv.Itoa(i))
		}
	}
	if len(labels) != outputs {
		return nil, &LabelsError{fmt.Sprintf("%d labels are given, but the adapter's head has %d outputs", len(labels), outputs)}
	}
	return labels, nil
}

// assume adds a warning with the labels and the problem type of an adapter that nobody
// has given. text is its configuration, and own says that the adapter's folder has it.
func (s *Source) assume(c Config, text []byte, own bool) error {
	config, err := models.ParseConfig(text)
	if err != nil {
		return err
	}
	var stated struct {
		Problem string `json:"problem_type"`
	}
	_ = json.Unmarshal(text, &stated) // ParseConfig has read it
	var assumed []string
	if labels := config.Labels; c.Labels == nil && !own {
		if len(labels) == 1 {
			assumed = append(assumed, fmt.Sprintf("the label %s (--labels gives another)", labels[0]))
		} else {
			assumed = append(assumed, fmt.Sprintf("the labels %s to %s (--labels gives others)", labels[0], labels[len(labels)-1]))
		}
	}
	if c.Problem == "" && !(own && stated.Problem != "") {
		scores := map[models.Problem]string{
			models.SingleLabel: "scores by softmax over the labels",
			models.MultiLabel:  "a score by sigmoid for each label",
			models.Regression:  "the logits as scores",
		}[config.Problem]
		assumed = append(assumed, fmt.Sprintf("problem_type %s: %s (--problem-type gives another)", config.Problem, scores))
	}
	if assumed != nil {
		lacks := "no " + models.ConfigFile
		if own {
			lacks = "no problem_type in its " + models.ConfigFile
		}
		s.Warnings = append(s.Warnings, fmt.Sprintf("the adapter has %s; assumed: %s", lacks, strings.Join(assumed, "; ")))
	}
	return nil
}

// resizedConfig sets vocab_size in the text of a config.json, if the adapter has another
// number of word embeddings.
func resizedConfig(text []byte, adapter *lora.Checkpoint) ([]byte, error) {
	config, err := models.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	arch, err := families.New(config)
	if err != nil {
		return text, nil // describe reports it
	}
	words := arch.Parameters()[0] // in every family
	_, t := runtime.FindTensor(adapter, arch, words.Name)
	if t == nil || len(t.Shape) != 2 || slices.Equal(t.Shape, words.Shape) {
		return text, nil
	}
	return setMember(text, "vocab_size", t.Shape[0])
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
