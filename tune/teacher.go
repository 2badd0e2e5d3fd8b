package tune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"kenserve/delta"
	"kenserve/models"
	"kenserve/prune"
)

// teach gives the training samples the teacher's logits.
func (t *tuning) teach(ctx context.Context) error {
	o, d := t.options, t.data
	path := o.Teacher
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("tune: teacher: %w", err)
	}
	if info.IsDir() {
		dir, err := os.MkdirTemp("", "kenserve-tune-")
		if err != nil {
			return fmt.Errorf("tune: teacher: %w", err)
		}
		defer os.RemoveAll(dir)
		source, err := prune.Open(prune.Config{BaseDir: o.BaseDir, TunedDir: path, Producer: o.Producer})
		if err != nil {
			return fmt.Errorf("tune: teacher: %w", err)
		}
		defer source.Close()
		path = filepath.Join(dir, "teacher"+delta.Extension)
		if _, err := source.Write(ctx, path, wholeDelta); err != nil {
			return fmt.Errorf("tune: teacher: %w", err)
		}
	}
	r, err := classify(ctx, path, o.BaseDir, d.Train, d.Labels, o.MaxTokens)
	if err != nil {
		return fmt.Errorf("tune: teacher %s: %w", o.Teacher, err)
	}
	if r.Problem != d.Problem {
		return fmt.Errorf("tune: teacher %s: its problem_type is %s, want %s", o.Teacher, r.Problem, d.Problem)
	}
	for i, logits := range r.Scores {
		if d.Problem == models.Regression {
			logits[0] = float32((float64(logits[0]) - t.scale.mean) / t.scale.deviation)
		}
		t.train[i].Teacher = logits
	}
	return nil
}
