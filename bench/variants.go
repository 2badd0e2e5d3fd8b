package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"kenserve/delta"
	"kenserve/safetensors"
)

// WriteVariants makes a temporary folder with n tasks, each a variant of the delta in
// file with other signs. size is that of one. The caller removes the folder.
func WriteVariants(file string, n int, progress func(tasks int)) (dir string, size int64, err error) {
	dir, err = os.MkdirTemp("", "kenserve-bench-")
	if err != nil {
		return "", 0, fmt.Errorf("bench: %w", err)
	}
	if size, err = writeVariants(dir, file, n, progress); err != nil {
		return "", 0, errors.Join(fmt.Errorf("bench: %w", err), os.RemoveAll(dir))
	}
	return dir, size, nil
}

func writeVariants(dir, file string, n int, progress func(tasks int)) (int64, error) {
	template, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for i := range n {
		variant, err := variantOf(template, uint64(i))
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, taskNumber(i)+delta.Extension), variant, 0o644); err != nil {
			return 0, err
		}
		progress(1)
	}
	return int64(len(template)), nil
}

// LinkTasks makes a temporary folder in which the delta in file is that of n tasks. The
// caller removes the folder.
func LinkTasks(file string, n int) (string, error) {
	dir, err := linked(file, n)
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return dir, nil
}

// linked makes a folder in which a delta is the file of many tasks.
func linked(file string, tasks int) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "kenserve-bench-")
	if err != nil {
		return "", err
	}
	for i := range tasks {
		if err := os.Symlink(path, filepath.Join(dir, taskNumber(i)+delta.Extension)); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

func taskNumber(i int) string { return fmt.Sprintf("task-%05d", i) }

// variantOf returns a delta like the one given with the signs of its kept
// values, if they are coded as signs, drawn anew.
func variantOf(template []byte, seed uint64) ([]byte, error) {
	data := bytes.Clone(template)
	f, err := safetensors.Parse(data)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 8))
	for _, name := range f.Names() {
		t, _ := f.Tensor(name)
		switch _, part, _ := strings.Cut(name, "#"); part {
		case "steps": // bit 7 is the sign, but of a skip
			for i, b := range t.Data {
				if b&0x7f != 0x7f {
					t.Data[i] = b ^ byte(rng.Uint32())&0x80
				}
			}
		case "sign": // a bit a value; those behind the last are in the last byte
			for i := range t.Data[:max(1, len(t.Data))-1] {
				t.Data[i] ^= byte(rng.Uint32())
			}
		}
	}
	// The digest is that of the file with zeros in its place.
	digest := []byte(f.Metadata()["sha256"])
	at := bytes.Index(data, digest)
	if len(digest) != 2*sha256.Size || at < 0 {
		return nil, errors.New("the file has no digest")
	}
	copy(data[at:], strings.Repeat("0", len(digest)))
	sum := sha256.Sum256(data)
	hex.Encode(data[at:], sum[:])
	return data, nil
}
