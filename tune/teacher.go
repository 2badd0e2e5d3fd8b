package tune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"kenserve/delta"
	"kenserve/prune"
	"kenserve/tune/internal/examples"
	"kenserve/tune/internal/train"
)

// teach gives samples the teacher's logits.
func teach(ctx context.Context, o *Options, d *examples.Data, samples []train.Sample) error {
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
	for i := range samples {
		samples[i].Teacher = r.Scores[i]
	}
	return nil
}
