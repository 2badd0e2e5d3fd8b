package bench

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"kenserve/delta"
	"kenserve/internal/stage"
	"kenserve/safetensors"
)

// taskName is the name of a task in the stores of this file.
func taskName(i int) string { return fmt.Sprintf("task-%05d", i) }

// LinkTasks makes a temporary folder with n tasks that are all the delta in file. The
// caller removes the folder.
func LinkTasks(file string, n int) (*stage.Folder, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	return temporaryStore(n, func(task string) error { return os.Symlink(path, task) })
}

// WriteVariants makes a temporary folder with n tasks, each a copy of the delta in file
// with other random signs, so that no two tasks share pages. It returns the size of one
// file and calls progress with 1 after each. The caller removes the folder.
func WriteVariants(file string, n int, progress func(tasks int)) (dir *stage.Folder, size int64, err error) {
	template, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, fmt.Errorf("bench: %w", err)
	}
	seed := uint64(0)
	dir, err = temporaryStore(n, func(task string) error {
		variant, err := randomSigns(template, seed)
		if err != nil {
			return fmt.Errorf("variant of %s: %w", file, err)
		}
		seed++
		progress(1)
		return os.WriteFile(task, variant, 0o644)
	})
	return dir, int64(len(template)), err
}

// temporaryStore makes a folder and calls write with the path of each of n tasks' files
// in it. After an error the folder is removed.
func temporaryStore(n int, write func(task string) error) (*stage.Folder, error) {
	dir, err := stage.NewTemporary()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	for i := range n {
		if err := write(dir.Path(taskName(i) + delta.Extension)); err != nil {
			return nil, errors.Join(fmt.Errorf("bench: %w", err), dir.Remove())
		}
	}
	return dir, nil
}

// randomSigns returns a copy of a delta file in the fast layout in which the signs of the
// values coded as signs are drawn anew, with a valid digest.
func randomSigns(template []byte, seed uint64) ([]byte, error) {
	data := bytes.Clone(template)
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 8))
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		switch _, part, _ := strings.Cut(name, "#"); part {
		case "steps": // bit 7 is the sign; a step of 127 only skips and has none
			for i, b := range t.Data {
				if b&0x7f != 0x7f {
					t.Data[i] = b ^ byte(rng.Uint32())&0x80
				}
			}
		case "sign": // a bit for each value; the last byte may have unused bits, which must stay 0
			for i := range t.Data[:max(1, len(t.Data))-1] {
				t.Data[i] ^= byte(rng.Uint32())
			}
		}
	}
	if err := delta.RenewDigests(data); err != nil {
		return nil, err
	}
	return data, nil
}
