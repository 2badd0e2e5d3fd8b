package prune

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"kenserve/delta"
	"kenserve/ken"
	"kenserve/models"
)

// describeTask parses the text of a classifier's config.json and sets the metadata that
// follows from it: the configuration itself, class, labels and problem type.
func describeTask(text []byte, info *delta.Info) (*models.Config, error) {
	config, err := models.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	if err := config.CheckClassifier(); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("prune: read configuration: %w", err)
	}
	info.Config = compact.String()
	if len(config.Architectures) > 0 {
		info.Architecture = config.Architectures[0]
	}
	info.Labels, info.ProblemType = config.Labels, string(config.Problem)
	return config, nil
}

// describeOptions returns metadata with the options in it. It leaves out a budget by
// row, a factor of 1 and an empty list of factors, which are the defaults.
func describeOptions(info delta.Info, o ken.Options) delta.Info {
	info.Selection, info.K, info.Keep, info.Scope = string(o.Selection), o.K, o.Keep, string(o.Scope)
	info.Coding, info.VectorCoding = o.Coding, o.VectorCoding
	if o.Budget != ken.BudgetRow {
		info.Budget = string(o.Budget)
	}
	if o.Factor != 1 {
		info.Factor = o.Factor
	}
	if len(o.Factors) > 0 {
		info.Factors = o.Factors
	}
	info.HeadFitted = o.HeadTensor != nil
	return info
}

// folderName returns the last component of a folder's absolute path.
func folderName(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return filepath.Base(dir)
}
